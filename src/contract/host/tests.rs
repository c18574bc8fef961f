//! The table of handles, alone.

use super::*;

fn table(max: u32, held: u64) -> Handles {
    Handles::new(max, held)
}

#[test]
fn freeze_moves_and_leaves_a_handle_to_drop() {
    let mut t = table(10, 1 << 20);
    let m = t.allocate(10).unwrap();
    t.append(m, b"abc").unwrap().unwrap();
    let f = t.freeze(m).unwrap();
    assert_eq!(t.append(m, b"x"), Err(Breach::Frozen(m)));
    assert_eq!(t.freeze(m), Err(Breach::Frozen(m)));
    assert_eq!(t.drop_handle(m, Resource::Buffer), Err(Breach::WrongType(m, "buffer")));
    t.drop_handle(m, Resource::MutableBuffer).unwrap();
    assert_eq!(t.drop_handle(m, Resource::MutableBuffer), Err(Breach::UnknownHandle(m)));
    assert_eq!(t.held().now(), 4096);
    assert_eq!(t.take_output(f, "").unwrap().bytes(), b"abc");
    assert_eq!((t.held().now(), t.live()), (4096, 0), "until the call gives it");
    t.let_go();
    assert_eq!(t.held().now(), 0);
}

#[test]
fn limits_refuse() {
    let mut t = table(2, 8192);
    let first = t.allocate(1).unwrap();
    assert!(matches!(t.allocate(5000), Err(BufferError::AllocationFailed(_))));
    t.allocate(1).unwrap();
    assert!(matches!(t.allocate(1), Err(BufferError::AllocationFailed(_))));
    assert_eq!(t.freeze(first), Err(Breach::TooManyHandles(2)));
    assert!(matches!(table(9, u64::MAX).allocate(1 << 25), Err(BufferError::AllocationFailed(_))));
}

#[test]
fn content_types_are_held_too() {
    let (mut t, long) = (table(10, 10_000), [b'x'; 2064]);
    let m = t.allocate(1).unwrap();
    for (text, held) in [(&b"text/plain"[..], 4096), (&long, 6096), (&long[..1064], 5096), (&long, 6096)] {
        t.set_content_type(m, text, &Loan::NONE).unwrap();
        assert_eq!(t.held().now(), held);
    }
    let n = t.allocate(1).unwrap_err();
    assert!(matches!(n, BufferError::AllocationFailed(why) if why.contains("buffer memory")));
    assert_eq!(t.set_content_type(m, &[0xff; 4097], &Loan::NONE), Err(Breach::ContentType(4097, 4096)));
    assert_eq!(t.set_content_type(m, &[0xff; 4096], &Loan::NONE), Err(Breach::BadUtf8));
    let f = t.freeze(m).unwrap();
    t.check_meta(3904 + 64).unwrap();
    assert_eq!(t.check_meta(3904 + 65), Err(Breach::HeldTooMuch(10_001, 10_000)));
    t.take_output(f, &"y".repeat(1064)).unwrap();
    assert_eq!(t.check_meta(2904 + 65), Err(Breach::HeldTooMuch(10_001, 10_000)), "with the other's");
    t.let_go();
    assert_eq!((t.held().now(), t.held().peak()), (0, 7096));
}

#[test]
fn spent_handles_are_not_for_nothing() {
    let mut t = table(u32::MAX, 40 << 10);
    let made = std::iter::repeat_with(|| {
        let m = t.allocate(1).map_err(|_| Breach::CannotLeave)?;
        let f = t.freeze(m)?;
        t.drop_handle(f, Resource::Buffer)
    });
    assert!((1000..2000).contains(&made.take_while(Result::is_ok).count()));
    assert!(t.held().now() <= 40 << 10);
}

#[test]
fn what_is_lent_is_no_ones_own() {
    let mut t = table(10, 8192);
    assert_eq!(t.take_output(PAYLOAD, "").unwrap_err(), Breach::WrongType(PAYLOAD, "buffer"));
    assert_eq!(t.drop_handle(PAYLOAD, Resource::Buffer), Err(Breach::UnknownHandle(PAYLOAD)));
    assert_eq!(t.drop_handle(CONTEXT, Resource::Buffer), Err(Breach::WrongType(CONTEXT, "buffer")));
    assert_eq!(t.append(PAYLOAD, b"x"), Err(Breach::WrongType(PAYLOAD, "mutable-buffer")));
    assert_eq!(t.drop_handle(0, Resource::Buffer), Err(Breach::UnknownHandle(0)));
    let (a, b) = (t.allocate(1).unwrap(), t.allocate(1).unwrap());
    t.drop_handle(a, Resource::MutableBuffer).unwrap();
    t.drop_handle(b, Resource::MutableBuffer).unwrap();
    assert_eq!((t.allocate(1), t.allocate(1)), (Ok(b), Ok(a)), "last in, first out");
}

#[test]
fn writes_follow_the_wit() {
    let mut t = table(10, 1 << 30);
    let m = t.allocate(16).unwrap();
    assert_eq!(t.write(m, 1, b"x").unwrap(), Err(BufferError::OutOfBounds));
    t.write(m, 0, b"hello").unwrap().unwrap();
    assert_eq!(t.write(m, 5, &[0; 4092]).unwrap(), Err(BufferError::CapacityExceeded));
    assert_eq!(t.append(m, &[0; 4092]).unwrap(), Err(BufferError::CapacityExceeded));
    assert_eq!((t.mutable_size(m), t.mutable_capacity(m)), (Ok(5), Ok(4096)));
}
