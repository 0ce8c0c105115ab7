//! An envelope, a statement, a provenance or a VEX document from anywhere is read, or refused.
#![no_main]

use basalt_attest::provenance::Provenance;
use basalt_attest::{Envelope, Statement, to_bytes, vex};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(envelope) = Envelope::read(bytes) {
        let _ = envelope.signed_bytes();
        let written = to_bytes(&envelope).expect("an envelope is JSON");
        assert_eq!(
            Envelope::read(&written).expect("it is read again"),
            envelope
        );
        let _ = Statement::read(&envelope.payload);
    }
    if let Ok(statement) = Statement::read(bytes) {
        let written = to_bytes(&statement).expect("a statement is JSON");
        assert_eq!(
            Statement::read(&written).expect("it is read again"),
            statement
        );
        let _ = statement.predicate_as::<Provenance>();
    }
    let _ = vex::Document::read(bytes);
});
