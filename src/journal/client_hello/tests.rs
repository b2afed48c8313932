//! A `ClientHello` of real clients, whole, split, cut at every byte, and altered: it is read right, or not at all, and without a panic.

use super::ClientHello;
use crate::response::random::Random;

/// What clients have sent to `peer.test` (`old.test`), byte for byte.
const CAPTURED: [(&str, &[u8], &str); 6] = [
    (
        "curl 7.88 with OpenSSL 3.0",
        include_bytes!("captured/curl.bin"),
        "ClientHello for peer.test; ALPN h2, http/1.1; TLS 1.3, TLS 1.2, TLS 1.1, TLS 1.0",
    ),
    (
        "openssl s_client 3.0",
        include_bytes!("captured/openssl.bin"),
        "ClientHello for peer.test; ALPN h2, http/1.1; TLS 1.3, TLS 1.2, TLS 1.1, TLS 1.0",
    ),
    (
        "openssl s_client 3.0 -tls1_2",
        include_bytes!("captured/openssl_tls12.bin"),
        "ClientHello for old.test; TLS 1.2",
    ),
    (
        "Python 3.11 ssl",
        include_bytes!("captured/python.bin"),
        "ClientHello for peer.test; ALPN http/1.1; TLS 1.3, TLS 1.2",
    ),
    (
        "Chromium 156",
        include_bytes!("captured/chromium.bin"),
        "ClientHello for peer.test; ALPN h2, http/1.1; TLS 1.3, TLS 1.2",
    ),
    (
        "rustls 0.23",
        include_bytes!("captured/rustls.bin"),
        "ClientHello for peer.test; ALPN h2, http/1.1; TLS 1.3, TLS 1.2",
    ),
];

/// Calls everything that reads.
fn read(bytes: &[u8]) -> Option<String> {
    let hello = ClientHello::of(bytes)?;
    Some(format!("{hello} {hello:?}"))
}

/// The same handshake message in records of `size` bytes.
fn in_records(captured: &[u8], size: usize) -> Vec<u8> {
    let mut records = Vec::new();
    for fragment in captured[5..].chunks(size) {
        let length = u16::try_from(fragment.len()).expect("as long as before at most");
        records.extend_from_slice(&captured[..3]);
        records.extend_from_slice(&length.to_be_bytes());
        records.extend_from_slice(fragment);
    }
    records
}

#[test]
fn those_of_real_clients_are_read() {
    for (client, bytes, line) in CAPTURED {
        let hello = ClientHello::of(bytes).expect(client);
        assert_eq!(hello.to_string(), line, "{client}");
        assert!(hello.cipher_suites().contains(&0xc02f), "{client}: {hello:?}");
        // What follows is not looked at.
        assert_eq!(ClientHello::of(&[bytes, b"more"].concat()), Some(hello), "{client}");
    }
}

#[test]
fn records_of_every_size_make_no_difference() {
    for (client, bytes, _) in CAPTURED {
        let hello = ClientHello::of(bytes);
        for size in 1..bytes.len() - 5 {
            assert_eq!(ClientHello::of(&in_records(bytes, size)), hello, "{client}, by {size}");
        }
    }
}

#[test]
fn a_part_is_none_at_every_byte() {
    for (client, bytes, _) in CAPTURED {
        for records in [bytes.to_vec(), in_records(bytes, 100)] {
            for length in 0..records.len() {
                assert_eq!(ClientHello::of(&records[..length]), None, "{client}, {length} bytes");
            }
        }
    }
}

/// Every number of two bytes may be a length somewhere.
#[test]
fn every_pair_of_bytes_may_be_a_wrong_length() {
    for (_, bytes, _) in CAPTURED {
        for at in 0..bytes.len() - 1 {
            let old = u16::from_be_bytes([bytes[at], bytes[at + 1]]);
            for new in [0, 1, old.wrapping_sub(1), old.wrapping_add(1), 0x7fff, u16::MAX] {
                let mut altered = bytes.to_vec();
                altered[at..at + 2].copy_from_slice(&new.to_be_bytes());
                read(&altered);
            }
        }
    }
}

/// Reproducible: the seeds are the numbers of the rounds.
#[test]
fn a_hundred_thousand_altered_ones_are_read_without_a_panic() {
    let (mut whole, mut broken) = (0, 0);
    for seed in 0..100_000 {
        let mut random = Random::new(seed);
        let mut below = |limit: usize| {
            usize::try_from(random.next_u64() % limit as u64).expect("below a limit")
        };
        let (_, bytes, _) = CAPTURED[below(CAPTURED.len())];
        let mut altered =
            if below(4) == 0 { in_records(bytes, 1 + below(600)) } else { bytes.to_vec() };
        for _ in 0..=below(4) {
            let at = below(altered.len());
            match below(5) {
                0 => altered[at] = u8::try_from(below(256)).expect("a byte"),
                1 => altered[at] ^= 1 << below(8),
                2 => altered.insert(at, u8::try_from(below(256)).expect("a byte")),
                3 => drop(altered.drain(at..(at + 1 + below(8)).min(altered.len()))),
                _ => altered.truncate(at.max(1)),
            }
            if altered.is_empty() {
                break;
            }
        }
        match read(&altered) {
            Some(_) => whole += 1,
            None => broken += 1,
        }
    }
    // Both ways are tried.
    assert!(whole > 10_000 && broken > 10_000, "{whole} and {broken}");
}

/// A `ClientHello` of these extensions alone.
fn with_extensions(extensions: &[u8]) -> Vec<u8> {
    let length = |bytes: usize| u16::try_from(bytes).expect("short").to_be_bytes();
    let mut fields = [&b"\x03\x03"[..], &[0; 32], b"\0\0\x02\x13\x01\x01\0"].concat();
    fields.extend_from_slice(&length(extensions.len()));
    fields.extend_from_slice(extensions);
    let message = [b"\x01\0", &length(fields.len())[..], &fields].concat();
    [b"\x16\x03\x01", &length(message.len())[..], &message].concat()
}

#[test]
fn what_an_extension_does_not_say_right_is_not_there() {
    for (extensions, line) in [
        (&b""[..], "ClientHello without a server name; TLS 1.2"),
        (b"\0\0\0\x06\0\x04\0\0\x01a", "ClientHello for a; TLS 1.2"),
        // The list is longer, shorter, empty; the name is no host name, no UTF-8, has a control character.
        (b"\0\0\0\x06\0\x05\0\0\x01a", "ClientHello without a server name; TLS 1.2"),
        (b"\0\0\0\x06\0\x03\0\0\x01a", "ClientHello without a server name; TLS 1.2"),
        (b"\0\0\0\0", "ClientHello without a server name; TLS 1.2"),
        (b"\0\0\0\x06\0\x04\x01\0\x01a", "ClientHello without a server name; TLS 1.2"),
        (b"\0\0\0\x06\0\x04\0\0\x01\xff", "ClientHello without a server name; TLS 1.2"),
        (b"\0\0\0\x06\0\x04\0\0\x01\x1b", "ClientHello for \\u{1b}; TLS 1.2"),
        // ALPN: two names, one of them no text; GREASE alone.
        (
            b"\0\x10\0\x07\0\x05\x01\n\x02h2",
            "ClientHello without a server name; ALPN \\n, h2; TLS 1.2",
        ),
        (b"\0\x10\0\x05\0\x03\x02\x6a\x6a", "ClientHello without a server name; TLS 1.2"),
        (b"\0\x10\0\x04\0\x02\x02h", "ClientHello without a server name; TLS 1.2"),
        // Versions: GREASE, one that is not known, none; half of one.
        (b"\0\x2b\0\x05\x04\x5a\x5a\x7f\x1c", "ClientHello without a server name; version 0x7f1c"),
        (b"\0\x2b\0\x05\x04\x03\x01\x03\0", "ClientHello without a server name; TLS 1.0, SSL 3.0"),
        (b"\0\x2b\0\x01\0", "ClientHello without a server name"),
        (b"\0\x2b\0\x04\x03\x03\x04\x03", "ClientHello without a server name; TLS 1.2"),
    ] {
        let hello = ClientHello::of(&with_extensions(extensions)).expect(line);
        assert_eq!(hello.to_string(), line, "{}", extensions.escape_ascii());
    }
    for malformed in [&b"\0"[..], b"\0\0\0", b"\0\0\0\x01"] {
        assert_eq!(ClientHello::of(&with_extensions(malformed)), None);
    }
}

#[test]
fn other_bytes_are_none() {
    for bytes in [
        &b""[..],
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x15\x03\x03\0\x02\x02\x28",
        // A ServerHello; a ClientHello of no field; handshake records without end.
        b"\x16\x03\x03\0\x04\x02\0\0\0",
        b"\x16\x03\x03\0\x04\x01\0\0\0",
        b"\x16\x03\x03\0\0\x16\x03\x03\0\0",
        // SSL 2.0, as OpenSSL 0.9 began.
        b"\x80\x2e\x01\x03\x01\0\x15\0\0\0\x10",
    ] {
        assert_eq!(ClientHello::of(bytes), None, "{}", bytes.escape_ascii());
    }
}
