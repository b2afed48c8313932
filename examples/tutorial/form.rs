//! The parameters of a form, as a browser posts them: `application/x-www-form-urlencoded`.
//!
//! 第15章: ブラウザがフォームから送ってくる文字列を、名前と値に分けます。

use std::collections::BTreeMap;

/// `a=1&b=2&b=3`を、名前と値の一覧にする（本の`urllib.parse.parse_qs`）。同じ名前がいくつあってもよい。
pub(crate) fn parameters(body: &[u8]) -> BTreeMap<String, Vec<String>> {
    let mut parameters = BTreeMap::<_, Vec<_>>::new();
    for pair in body.split(|byte| *byte == b'&') {
        let mut parts = pair.splitn(2, |byte| *byte == b'=').map(decoded);
        if let (Some(name), Some(value)) = (parts.next(), parts.next())
            && !value.is_empty()
        {
            parameters.entry(name).or_default().push(value);
        }
    }
    parameters
}

/// `+`を空白に、`%E3`のような3文字を1バイトに戻す。
fn decoded(text: &[u8]) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text);
    while let [byte, after @ ..] = rest {
        rest = after;
        let digit = |at: usize| after.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (byte, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high * 16 + low).expect("two digits are one byte"));
                rest = &after[2..];
            }
            (b'+', ..) => bytes.push(b' '),
            (byte, ..) => bytes.push(*byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
