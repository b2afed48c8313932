//! What a problem of a response file means for the page, and how to mend it, in the language of the program's lines: for those problems
//! that editors cause.

use super::console::Lang;
use crate::http1::finding::{Finding, FindingKind};

/// Whether an editor causes this: line ends, and a length that was right before the file was edited.
pub(super) fn is_editors(finding: &Finding) -> bool {
    matches!(finding.kind(), FindingKind::LoneLf | FindingKind::BodyLength { .. })
}

/// The problem in one sentence, before the file is served; `start` are the first bytes of the file.
pub(super) fn sentence(finding: &Finding, start: &[u8], lang: Lang) -> String {
    match (finding.kind(), lang) {
        (FindingKind::LoneLf, Lang::Ja) => format!(
            "{}行目の改行がLFだけです（HTTPの正式な改行はCRLF）。このまま送ります。たいていのブラウザでは表示できます",
            line_number(finding, start)
        ),
        (FindingKind::LoneLf, Lang::En) => format!(
            "line {} ends with LF alone (the line end of HTTP is CR LF); it is sent as it is, and most browsers show the page",
            line_number(finding, start)
        ),
        (FindingKind::BodyLength { said, present }, Lang::Ja) => {
            let effect = effect(said, present, lang);
            format!(
                "Content-Lengthは{said}バイトですが、ボディは{present}バイトです。このまま送ります。{effect}"
            )
        }
        (FindingKind::BodyLength { said, present }, Lang::En) => {
            let effect = effect(said, present, lang);
            format!(
                "Content-Length says {said} bytes, but the body has {present}; it is sent as it is, and {effect}"
            )
        }
        _ => finding.to_string(),
    }
}

/// What `--check` says about such a problem beyond its one line: lines of text, without their line ends.
pub(super) fn more(finding: &Finding, start: &[u8], name: &str, lang: Lang) -> Vec<String> {
    match finding.kind() {
        FindingKind::LoneLf => {
            let (alone, all) = lone_line_ends(start);
            let meaning = match lang {
                Lang::Ja => format!(
                    "ヘッダーの{all}行のうち{alone}行の改行がLFだけです。LinuxやmacOSのエディターで保存すると、そうなります。RFC 9112の2.2節はLFだけの改行も受け付けてよいとしていて、たいていのブラウザでは表示できますが、受け付けないクライアントもあります"
                ),
                Lang::En => format!(
                    "{alone} of {all} lines of the head end with LF alone, as editors on Linux and macOS write them. RFC 9112 section 2.2 lets clients accept that, and most browsers do; some clients refuse it"
                ),
            };
            let mend = "sed '1,/^\\r*$/s/\\r*$/\\r/'";
            let mending = match lang {
                Lang::Ja => format!(
                    "直すには：エディターで改行をCRLFにして保存するか（Content-Lengthも見直してください）、ヘッダーだけをGNU sedで直します：{mend} {name} > fixed.http"
                ),
                Lang::En => format!(
                    "to mend it, save the file with CR LF in the editor (and look at Content-Length again), or change only the head, with GNU sed: {mend} {name} > fixed.http"
                ),
            };
            vec![meaning, mending]
        }
        FindingKind::BodyLength { said, present } => {
            let cause = match (present.checked_sub(said) == Some(1), lang) {
                (true, Lang::Ja) => "。1バイト多いのは、たいていエディターが最後に付けた改行です",
                (true, Lang::En) => {
                    "; one byte too many is mostly the line end that an editor adds"
                }
                _ => "",
            };
            let mending = match lang {
                Lang::Ja => format!(
                    "直すには：Content-Length: {present} と書くか、ボディを{said}バイトにします{cause}"
                ),
                Lang::En => format!(
                    "to mend it, write Content-Length: {present}, or make the body {said} bytes long{cause}"
                ),
            };
            vec![effect(said, present, lang).into(), mending]
        }
        _ => Vec::new(),
    }
}

fn effect(said: u64, present: u64, lang: Lang) -> &'static str {
    match (present < said, lang) {
        (true, Lang::Ja) => "足りない分をブラウザが待つか、エラーになります",
        (true, Lang::En) => "a browser waits for the rest, or reports an error",
        (false, Lang::Ja) => "余った分は、ブラウザには表示されません",
        (false, Lang::En) => "a browser does not show what is too much",
    }
}

/// Which line of the file it is in, counted from 1.
fn line_number(finding: &Finding, start: &[u8]) -> usize {
    let before =
        usize::try_from(finding.offset()).map_or(start, |at| &start[..at.min(start.len())]);
    before.split(|&byte| byte == b'\n').count()
}

/// How many lines of the head end with LF alone, and how many lines it has.
fn lone_line_ends(start: &[u8]) -> (usize, usize) {
    let (mut alone, mut all) = (0, 0);
    for line in start.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n")) {
        all += 1;
        alone += usize::from(!line.ends_with(b"\r\n"));
        if line.trim_ascii().is_empty() {
            break;
        }
    }
    (alone, all)
}
