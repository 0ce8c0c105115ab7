//! The compiled-in keyrings are exactly these keys.

use basalt_trust::{Keyring, TrustError};

#[test]
fn each_debian_release_has_exactly_its_published_keys() {
    for (release, expected) in [
        (
            "bullseye",
            vec![
                "1F89983E0081FDE018F3CC9673A4F27B8DD47936",
                "A4285295FC7B1A81600062A9605C66F00D6C9793",
                "AC530D520F2F3269F5E98313A48449044AAD5C5D",
            ],
        ),
        (
            "bookworm",
            vec![
                "05AB90340C0C5E797F44A8C8254CF3B5AEC0A8F0",
                "4D64FEC119C2029067D6E791F8D2585B8783D481",
                "B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8",
            ],
        ),
        (
            "trixie",
            vec![
                "04B54C3CDCA79751B16BC6B5225629DF75B188BD",
                "41587F7DB8C774BCCF131416762F67A0B2C39DE4",
                "5E04A1E3223A19A20706E20F9904613D4CCE68C6",
            ],
        ),
    ] {
        let keyring = Keyring::debian(release).expect("a keyring is compiled in");
        assert_eq!(keyring.fingerprints(), expected, "{release}");
    }
}

#[test]
fn a_release_without_keys_is_refused_by_name() {
    assert!(matches!(
        Keyring::debian("warty"),
        Err(TrustError::UnknownRelease(name)) if name == "warty"
    ));
}

#[test]
fn what_is_no_keyring_is_refused() {
    for bytes in [
        &b""[..],
        b"hello",
        b"\xff\xff\xff\xff",
        b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n",
    ] {
        assert!(Keyring::from_bytes(bytes).is_err());
    }
}
