//! `--record https://HOST`: the server that is recorded, and whether it is trusted.

use crate::cli::arguments::Arguments;
use crate::cli::console::Lang;
use crate::source::proxy::Proxy;
use crate::source::proxy::target::Target;

/// Whether the server that is recorded speaks TLS.
fn records_over_tls(arguments: &Arguments) -> bool {
    let target = arguments.record.as_deref().map(Target::parse);
    target.is_some_and(|target| target.is_ok_and(|target| target.tls.is_some()))
}

/// What is wrong with what the options say about the server that is recorded.
pub(super) fn problem(arguments: &Arguments) -> Option<String> {
    let needs_tls = records_over_tls(arguments);
    let without = |what: &str, feature: &str| {
        format!(
            "{what} needs a program that was built with the feature `{feature}`: cargo install --path . --features {feature}"
        )
    };
    if arguments.insecure && !needs_tls {
        Some("--insecure is for --record https://HOST".into())
    } else if needs_tls && arguments.insecure && !cfg!(feature = "tls") {
        Some(without("--record https://HOST --insecure", "tls"))
    } else if needs_tls && !arguments.insecure && !cfg!(feature = "tls-system-roots") {
        Some(without("--record https://HOST", "tls-system-roots"))
    } else {
        None
    }
}

/// A server that is recorded.
pub(in crate::cli) fn proxy(arguments: &Arguments, name: &str) -> Proxy {
    let proxy = Proxy::to(name);
    #[cfg(feature = "tls")]
    if arguments.insecure {
        return proxy.insecure();
    }
    let _ = arguments;
    proxy
}

/// That a certificate is not looked at.
pub(in crate::cli) fn note(arguments: &Arguments, lang: Lang) -> Option<String> {
    let upstream = arguments.record.as_deref().filter(|_| arguments.insecure)?;
    Some(match lang {
        Lang::Ja => format!(
            "--insecure：{upstream} の証明書を確認しません。途中の誰かが成りすましていても分かりません"
        ),
        Lang::En => format!(
            "--insecure: every certificate is accepted for {upstream}, also that of someone in between"
        ),
    })
}
