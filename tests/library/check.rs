//! What `http::check` finds in the bytes of a response, and at which byte.

use std::fs;
use std::io::{self, Cursor, ErrorKind, Read};

use fake_peer::http::{self, FindingKind};

/// The response of the tutorial, as its web server sent it.
const PAGE: &[u8] = include_bytes!("../../study/server_send.txt");

#[track_caller]
fn check(bytes: &[u8]) -> Vec<String> {
    let findings = http::check(bytes).expect("bytes in memory");
    findings.iter().map(ToString::to_string).collect()
}

/// Checks that this problem is found and no other. `^` in the response marks its place, and is removed.
#[track_caller]
fn finds(marked: &str, expected: &[FindingKind]) {
    let mut places = Vec::new();
    let mut bytes = Vec::new();
    for byte in marked.bytes() {
        if byte == b'^' { places.push(bytes.len() as u64) } else { bytes.push(byte) }
    }
    assert_eq!(places.len(), expected.len(), "{marked:?} marks a place for each finding");
    let findings = http::check(&bytes[..]).expect("bytes in memory");
    let found: Vec<_> = findings.iter().map(|found| (found.offset(), found.kind())).collect();
    let expected: Vec<_> = places.into_iter().zip(expected.iter().copied()).collect();
    assert_eq!(found, expected, "{marked:?}");
    // In whatever pieces the reader returns its bytes.
    let again = http::check(OneByOne(&bytes)).expect("bytes in memory");
    assert_eq!(again, findings, "{marked:?} byte by byte");
    for finding in findings {
        let line = finding.to_string();
        assert!(line.starts_with(&format!("byte {}: ", finding.offset())), "{line}");
        assert!(!line.contains('\n') && !line.ends_with('.'), "{line}");
    }
}

struct OneByOne<'a>(&'a [u8]);

impl Read for OneByOne<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(1);
        self.0.read(&mut buffer[..length])
    }
}

#[test]
fn nothing_is_found_in_good_responses() {
    assert_eq!(check(PAGE), [""; 0]);
    for good in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        "HTTP/1.1 200 \r\ncontent-length: 2, 2\r\nContent-Length: 2\r\n\r\nhi",
        "HTTP/1.0 200 OK\r\n\r\nup to the close\n\0",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\na\nb\r\n\r\n0\r\nA: b\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n!",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nanything\n",
        "HTTP/1.1 404 Keine Seite \u{e4}\r\nX:\r\nContent-Length: 0\r\n\r\n",
    ] {
        finds(good, &[]);
    }
}

#[test]
fn nothing_is_found_in_what_is_not_http() {
    for other in
        ["", "HTTP", "<html>\n", "220 ready\r\n", "+PONG\r\n", "GET / HTTP/1.1\n\n", "\n\n"]
    {
        finds(other, &[]);
    }
}

#[test]
fn an_editor_that_adds_a_line_end_is_found() {
    let added = [PAGE, b"\n"].concat();
    assert_eq!(check(&added), ["byte 389: Content-Length says 45 bytes, but the body has 46"]);
}

#[test]
fn an_editor_that_changes_line_ends_is_found() {
    // When only the head was changed: the body has no CR.
    let changed: Vec<u8> = PAGE.iter().copied().filter(|&byte| byte != b'\r').collect();
    assert_eq!(
        check(&changed),
        ["byte 15: a line ends with LF alone, without CR (RFC 9112 section 2.2)"]
    );
    // CR LF on every line.
    let with_cr = String::from_utf8(changed).expect("UTF-8").replace('\n', "\r\n");
    assert_eq!(
        check(with_cr.as_bytes()),
        ["byte 389: Content-Length says 45 bytes, but the body has 46"]
    );
}

#[test]
fn an_edited_body_whose_length_no_longer_fits_is_found() {
    let text = String::from_utf8(PAGE.to_vec()).expect("UTF-8");
    let longer = text.replace("It works!", "It works well!");
    assert_eq!(
        check(longer.as_bytes()),
        ["byte 389: Content-Length says 45 bytes, but the body has 50"]
    );
    let shorter = text.replace("It works!", "It");
    assert_eq!(
        check(shorter.as_bytes()),
        ["byte 382: Content-Length says 45 bytes, but the body has 38"]
    );
}

#[test]
fn an_editor_that_adds_a_byte_order_mark_is_found() {
    let marked = [b"\xef\xbb\xbf", PAGE].concat();
    assert_eq!(
        check(&marked),
        ["byte 3: white space or a byte order mark comes before the status line"]
    );
    finds("\r\n\n^HTTP/1.1 200 OK\r\n\r\n", &[FindingKind::LeadingBytes]);
}

#[test]
fn odd_status_lines_are_found() {
    use FindingKind::{NoSpaceBehindStatus, Status, Version};
    finds("HTTP/1.1 200^\r\n\r\n", &[NoSpaceBehindStatus]);
    finds("^HTTP/2 200 \r\n\r\n", &[Version]);
    finds("HTTP/1.1^\r\n\r\n", &[Status]);
    finds("HTTP/1.1^ 20 OK\r\n\r\n", &[Status]);
    finds("HTTP/1.1^ 0200 OK\r\n\r\n", &[Status]);
    finds("HTTP/1.1^ 600 OK\r\n\r\n", &[Status]);
    finds("HTTP/1.1^  200 OK\r\n\r\n", &[Status]);
    finds("^HTTP/1.1\t200^ OK\r\n\r\n", &[Version, Status]);
}

#[test]
fn odd_lines_of_a_head_are_found() {
    use FindingKind::{
        FieldName, Fold, LoneCr, LoneLf, NoColon, NoEmptyLine, Nul, SpaceBeforeColon,
    };
    finds("HTTP/1.1 200 OK\r\nA: b^\nC: d\n\r\n", &[LoneLf]);
    finds("HTTP/1.1 200 OK\r\n^\n", &[LoneLf]);
    finds("HTTP/1.1 200 OK\r\nA: b^\rC: d\r\n\r\n", &[LoneCr]);
    finds("HTTP/1.1 200 OK\r\nA: b^\r\r\n\r\n", &[LoneCr]);
    finds("HTTP/1.1 200 OK\r\nA: ^\0b\0\r\n\r\n", &[Nul]);
    finds("HTTP/1.1 200 OK\r\nA^ : b\r\nC\t: d\r\n\r\n", &[SpaceBeforeColon]);
    finds("HTTP/1.1 200 OK\r\nA^(: b\r\n\r\n", &[FieldName]);
    finds("HTTP/1.1 200 OK\r\n^: b\r\n\r\n", &[FieldName]);
    finds("HTTP/1.1 200 OK\r\n^nonsense\r\n\r\n", &[NoColon]);
    finds("HTTP/1.1 200 OK\r\nA: b\r\n^ c\r\n\td\r\n\r\n", &[Fold]);
    finds("HTTP/1.1 200 OK\r\nA: b\r\n^", &[NoEmptyLine]);
    finds("HTTP/1.1 200 OK^", &[NoEmptyLine]);
    finds("HTTP/1.1 200 OK\r\nA: b\r\n^<html>^", &[NoColon, NoEmptyLine]);
    finds("HTTP/1.1 200 OK^\rA: b\r\r^", &[LoneCr, NoEmptyLine]);
}

#[test]
fn lengths_that_cannot_be_told_are_found() {
    use FindingKind::{
        ConflictingContentLengths, ContentLength, ContentLengthBesideTransferEncoding,
        TransferEncoding,
    };
    let status = "HTTP/1.1 200 OK\r\n";
    finds(
        &format!("{status}Content-Length: 1\r\n^Content-Length: 2\r\n\r\n12"),
        &[ConflictingContentLengths],
    );
    finds(&format!("{status}^Content-Length: 1, 2\r\n\r\n1"), &[ConflictingContentLengths]);
    finds(&format!("{status}A: b\r\n^content-length: +1\r\n\r\n1"), &[ContentLength]);
    finds(&format!("{status}^Content-Length:\r\n\r\n1"), &[ContentLength]);
    finds(&format!("{status}^Transfer-Encoding: gzip\r\n\r\n1"), &[TransferEncoding]);
    finds(
        &format!("{status}Transfer-Encoding: chunked\r\n^Content-Length: 1\r\n\r\n0\r\n\r\n"),
        &[ContentLengthBesideTransferEncoding],
    );
}

#[test]
fn broken_chunks_are_found() {
    use FindingKind::{BytesBehindEnd, Chunk, LoneLf, NoLastChunk};
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    finds(&format!("{head}5\r\nhello^!\r\n0\r\n\r\n"), &[Chunk]);
    finds(&format!("{head}^hello"), &[Chunk]);
    finds(&format!("{head}5\r\nhello\r\n0\r\n^"), &[NoLastChunk]);
    finds(&format!("{head}5\r\nhel^"), &[NoLastChunk]);
    finds(&format!("{head}^"), &[NoLastChunk]);
    finds(&format!("{head}5^\nh\nllo\n0\n\n"), &[LoneLf]);
    finds(&format!("{head}5\r\nh\nllo^\n0\n\n"), &[LoneLf]);

    let behind = http::check(format!("{head}0\r\n\r\n\n\n").as_bytes()).expect("in memory");
    assert!(matches!(behind[0].kind(), BytesBehindEnd { bytes: 2, .. }), "{behind:?}");
    assert_eq!(behind[0].to_string(), "byte 52: 2 more bytes follow the last chunk");
}

#[test]
fn a_body_that_cannot_be_is_found() {
    for status in ["204 No Content", "304 Not Modified"] {
        let head = format!("HTTP/1.1 {status}\r\n\r\n");
        let findings = http::check(format!("{head}body").as_bytes()).expect("in memory");
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].offset(), head.len() as u64);
        assert!(matches!(findings[0].kind(), FindingKind::Body { bytes: 4, .. }), "{findings:?}");
    }
}

#[test]
fn an_interim_response_alone_is_found() {
    finds("HTTP/1.1 100 Continue\r\n\r\n^", &[FindingKind::NoFinalResponse]);
    finds("HTTP/1.1 100 Continue\r\n\r\n^hello", &[FindingKind::NoFinalResponse]);
    finds(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200^\r\n\r\n",
        &[FindingKind::NoSpaceBehindStatus],
    );
}

#[test]
fn a_large_body_is_counted_and_not_kept() {
    const LONG: u64 = 64 << 20;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LONG}\r\n\r\n");
    let body = |length| Cursor::new(head.clone()).chain(io::repeat(b'x').take(length));
    assert_eq!(http::check(body(LONG)).expect("in memory"), []);
    let short = http::check(body(LONG - 1)).expect("in memory");
    assert_eq!(short[0].offset(), head.len() as u64 + LONG - 1);
    // An endless response: the check reads a limited part of it.
    let endless = Cursor::new("HTTP/1.1 200 OK\r\nA: ").chain(io::repeat(b'x'));
    let findings = http::check(endless).expect("in memory");
    assert_eq!(findings[0].kind(), FindingKind::NoEmptyLine);
}

#[test]
fn a_file_is_read_and_its_errors_are_told() {
    let file = fs::File::open("study/server_send.txt").expect("the tutorial's response");
    assert_eq!(http::check(file).expect("a readable file"), []);
    let torn = Cursor::new("HTTP/1.1 200 OK\r\n").chain(Torn);
    let error = http::check(torn).expect_err("a reader that fails");
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
}

struct Torn;

impl Read for Torn {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(ErrorKind::PermissionDenied.into())
    }
}
