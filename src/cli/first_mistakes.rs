//! Mistakes that show before the first request: a file or a folder that is not there (yet), and what the terminal will get.

use std::env;
use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use super::arguments::Arguments;
use super::console::{Console, Lang};
use super::stdin::is_dash;

/// Prints a note for each file or folder that is missing. It may be there when it is needed, so serving goes on.
pub(super) fn note(arguments: &Arguments, responses: &[PathBuf], console: &Console) {
    let lang = console.lang();
    for (index, file) in responses.iter().enumerate() {
        if !responses[..index].contains(file)
            && !is_dash(file)
            && let Some(note) = response_note(file, lang)
        {
            console.note(&note);
        }
    }
    // With --record, responses are written.
    let recorded = arguments.send.iter().filter(|_| arguments.record.is_some());
    for file in arguments.recv.iter().chain(recorded).filter(|file| !is_dash(file)) {
        if let Some(note) = folder_note(file, lang) {
            console.note(&note);
        }
    }
    if arguments.recv.as_ref().is_some_and(is_dash) && io::stdout().is_terminal() {
        console.note(lang.of(
            "リクエストをそのまま、この端末に表示します。制御文字も送られてくるままなので、表示が乱れることがあります",
            "requests go to this terminal as they are, with any control characters that a client sends",
        ));
    }
}

/// What is wrong with a response file now.
fn response_note(file: &Path, lang: Lang) -> Option<String> {
    let name = file.display();
    match fs::metadata(file) {
        Ok(metadata) if metadata.is_dir() => Some(match lang {
            Lang::Ja => format!(
                "レスポンスのファイル`{name}`はフォルダーです。リクエストには応答できません"
            ),
            Lang::En => {
                format!("response file `{name}` is a folder: requests will not be answered")
            }
        }),
        Ok(_) => None,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let here = env::current_dir().unwrap_or_default();
            let here = here.display();
            let hint = hint(file, lang);
            Some(match lang {
                Lang::Ja => format!(
                    "レスポンスのファイル`{name}`がまだありません（今いるフォルダーは{here}）。リクエストが来るまでに置けば返せます{hint}"
                ),
                Lang::En => format!(
                    "response file `{name}` is not there (the current folder is {here}); it is sent if it is there when a request comes{hint}"
                ),
            })
        }
        Err(error) => Some(match lang {
            Lang::Ja => format!("レスポンスのファイル`{name}`を調べられません：{error}"),
            Lang::En => format!("failed to look at response file `{name}`: {error}"),
        }),
    }
}

/// Where the file is instead, if it is in one of the places where it mostly is: in `study/` and the program was started in the
/// repository's root, or the other way round.
fn hint(file: &Path, lang: Lang) -> String {
    if file.is_absolute() {
        return String::new();
    }
    let places = [Path::new("study").join(file), Path::new("..").join(file)];
    let own_name = file.file_name().map(PathBuf::from);
    let found = places.into_iter().chain(own_name).find(|place| place.is_file());
    found.map_or(String::new(), |place| {
        let place = place.display();
        match lang {
            Lang::Ja => {
                format!("。`{place}`ならあります：--send {place} を付けるか、そのフォルダーへ移ってください")
            }
            Lang::En => {
                format!("; there is `{place}`: give --send {place}, or change to its folder")
            }
        }
    })
}

/// A folder that files cannot be written to, because it is not there.
fn folder_note(file: &Path, lang: Lang) -> Option<String> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty())?;
    // A place for the number may be in the folder's name, too.
    if folder.is_dir() || folder.as_os_str().as_encoded_bytes().contains(&b'{') {
        return None;
    }
    let (folder, name) = (folder.display(), file.display());
    Some(match lang {
        Lang::Ja => {
            format!(
                "フォルダー`{folder}`がまだないので、`{name}`に書けません。作るには：mkdir -p {folder}"
            )
        }
        Lang::En => format!(
            "folder `{folder}` is not there, so `{name}` cannot be written; to make it: mkdir -p {folder}"
        ),
    })
}
