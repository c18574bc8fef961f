//! The calls: what goes in, what comes out, where it goes wrong.

use super::super::args::Clear as _;
use super::super::buffer::*;
use super::super::filtering::*;
use super::super::status::Trap::*;
use super::*;

#[test]
fn a_stage_from_bytes_to_bytes() {
    let instance = instance("upper-case", "");
    let mut output = stale();
    unsafe {
        assert_eq!(torvyn_instance_state(instance), State::TORVYN_STATE_READY);
        assert_eq!(torvyn_instance_id(instance), 7);
        assert_eq!(torvyn_instance_roles(instance), Role::TORVYN_ROLE_PROCESSOR as u32);
        assert_eq!(torvyn_process(instance, &element(b"abc"), &raw mut output, null_mut()), TORVYN_OK);
        assert_eq!((output.sequence, output.timestamp_ns), (5, 6));
        assert_eq!(output.content_type.text("").unwrap(), "text/plain");

        // The output is the next element, in place; and it outlives its instance.
        let next = Element { payload: output.bytes, content_type: output.content_type, ..element(b"") };
        let mut second = stale();
        assert_eq!(torvyn_process(instance, &next, &raw mut second, null_mut()), TORVYN_OK);
        torvyn_instance_free(instance);
        assert_eq!(taken(second).unwrap(), b"ABC");
        assert_eq!(taken(output).unwrap(), b"ABC");
    }
}

#[test]
fn an_error_says_who_where_why_and_what_next() {
    let instance = instance("misbehave", "");
    let (mut output, mut err, mut id) = (stale(), null_mut(), 0);
    assert_eq!(process(instance, b"invalid"), (TORVYN_ERROR_INVALID_INPUT, "asked for invalid-input".into(), None));
    assert_eq!(process(instance, b"drop"), (TORVYN_NOTHING_EMITTED, String::new(), None));
    assert_eq!(process(instance, b"deadline").0, TORVYN_ERROR_DEADLINE_EXCEEDED);
    unsafe {
        torvyn_process(instance, &element(b"unavailable"), &raw mut output, &raw mut err);
        assert!(torvyn_error_is_retryable(err) && !torvyn_error_is_fatal(err));
        torvyn_error_free(err);
        assert_eq!(torvyn_process(instance, &element(b"trap"), &raw mut output, &raw mut err), TORVYN_ERROR_TRAP);
        assert_eq!(taken(output), None);
        assert!(torvyn_error_component_id(err, &raw mut id) && id == 7);
        assert_eq!(torvyn_error_function(err).text("").unwrap(), "process");
        assert_eq!(torvyn_error_trap(err), TORVYN_TRAP_UNREACHABLE);
        assert!(torvyn_error_is_fatal(err) && torvyn_error_frame_count(err) > 0);
        let message = torvyn_error_message(err).text("").unwrap();
        assert!(message.starts_with("component 7, process: "), "{message}");
        torvyn_error_free(err);

        assert_eq!(torvyn_instance_state(instance), State::TORVYN_STATE_POISONED);
        assert_eq!(process(instance, b"x").0, TORVYN_ERROR_STATE);
        assert_eq!(torvyn_instance_reset(instance, null_mut()), TORVYN_OK);
        assert_eq!(torvyn_init(instance, Str::CLEAR, &raw mut err), TORVYN_OK);
        assert!(err.is_null(), "no stale error");
        assert_eq!(process(instance, b"back").2.unwrap(), b"back");
        assert_eq!(process(instance, b"fatal").0, TORVYN_ERROR_FATAL);
        assert_eq!(torvyn_instance_state(instance), State::TORVYN_STATE_FAILED);
        assert_eq!(torvyn_teardown(instance, null_mut()), TORVYN_OK);
        torvyn_instance_free(instance);
    }
}

#[test]
fn misuse_names_the_parameter_and_runs_nothing() {
    let instance = instance("upper-case", "");
    let (mut output, mut err) = (stale(), null_mut());
    let bad_text = Element { content_type: Str { data: c"\xff".as_ptr(), len: 1 }, ..element(b"x") };
    let bad_bytes = Element { payload: Bytes { data: null(), len: 3 }, ..element(b"x") };
    unsafe {
        for (instance, element, place, name) in [
            (null_mut(), &raw const bad_text, &raw mut output, "`instance`"),
            (instance, null(), &raw mut output, "`element`"),
            (instance, &raw const bad_text, null_mut(), "`output`"),
            (instance, &raw const bad_text, &raw mut output, "`element.content_type`"),
            (instance, &raw const bad_bytes, &raw mut output, "`element.payload`"),
        ] {
            output = stale();
            let status = torvyn_process(instance, element, place, &raw mut err);
            assert!((-3..=-1).contains(&(status as i32)), "{status:?}");
            let said = detail(status, err);
            assert!(said.contains(name), "{said}");
            if !place.is_null() {
                assert_eq!(taken(output), None, "cleared");
            }
        }
        let status = torvyn_push(instance, &element(b"x"), null_mut(), &raw mut err);
        assert_eq!(status, TORVYN_ERROR_NOT_EXPORTED);
        assert!(detail(status, err).contains("torvyn:streaming/sink"));
        assert_eq!(torvyn_push(instance, &element(b"x"), null_mut(), null_mut()), TORVYN_ERROR_NOT_EXPORTED);
        assert_eq!(process(instance, b"still").2.unwrap(), b"STILL");
        torvyn_instance_free(instance);
    }
}

#[test]
fn a_batch_stops_at_the_first_error_and_owns_each_output_once() {
    let instance = instance("misbehave", "");
    let elements: Vec<_> = [&b"one"[..], b"drop", b"three", b"invalid", b"five"].map(element).into();
    let (mut outputs, mut done, mut err) = ([stale(); 5], 9, null_mut());
    unsafe {
        let out = outputs.as_mut_ptr();
        let status = torvyn_process_batch(instance, elements.as_ptr(), 5, out, &raw mut done, &raw mut err);
        assert_eq!((status, done), (TORVYN_ERROR_INVALID_INPUT, 3));
        assert_eq!(detail(status, err), "asked for invalid-input");
        let all = outputs.map(taken);
        assert_eq!(all, [Some(b"one".to_vec()), None, Some(b"three".to_vec()), None, None]);

        let status = torvyn_process_batch(instance, elements.as_ptr(), 3, out, &raw mut done, &raw mut err);
        assert_eq!((status, done), (TORVYN_OK, 3));
        outputs[..3].iter().for_each(|output| drop(taken(*output)));
        assert_eq!(torvyn_process_batch(instance, null(), 0, null_mut(), &raw mut done, null_mut()), TORVYN_OK);
        assert_eq!(done, 0);
        for (elements, outputs) in [(null(), out), (elements.as_ptr(), null_mut())] {
            done = 9;
            let status = torvyn_process_batch(instance, elements, 5, outputs, &raw mut done, null_mut());
            assert_eq!((status, done), (TORVYN_ERROR_NULL, 0));
        }
        let status = torvyn_process_batch(instance, elements.as_ptr(), usize::MAX, out, &raw mut done, null_mut());
        assert_eq!(status, TORVYN_ERROR_ARGUMENT);
        torvyn_instance_free(instance);
    }
}

#[test]
fn a_batch_of_pushes_stops_after_a_pause() {
    let instance = instance("count-sink", "pause-every=3");
    let elements = [element(b"x"); 5];
    let (mut signal, mut done, mut err) = (Signal::TORVYN_SIGNAL_PAUSE, 9, null_mut());
    unsafe {
        let mut push = |n, signal: *mut Signal, done: *mut usize| {
            torvyn_push_batch(instance, elements.as_ptr(), n, signal, done, &raw mut err)
        };
        assert_eq!(push(5, &raw mut signal, &raw mut done), TORVYN_OK);
        assert_eq!((signal, done), (Signal::TORVYN_SIGNAL_PAUSE, 3));
        assert_eq!(push(2, &raw mut signal, &raw mut done), TORVYN_OK);
        assert_eq!((signal, done), (Signal::TORVYN_SIGNAL_READY, 2));
        assert_eq!(push(1, null_mut(), &raw mut done), TORVYN_OK);
        assert_eq!(torvyn_complete(instance, null_mut()), TORVYN_OK);
        signal = Signal::TORVYN_SIGNAL_PAUSE;
        let status = push(2, &raw mut signal, &raw mut done);
        assert_eq!((status, signal, done), (TORVYN_ERROR_INVALID_INPUT, Signal::TORVYN_SIGNAL_READY, 0));
        assert_eq!(detail(status, err), "the sink was completed after 6 elements, 6 bytes");
        torvyn_instance_free(instance);
    }
}

#[test]
fn a_source_has_no_element_for_now_and_then_for_ever() {
    let instance = instance("line-source", "one\ntwo");
    let mut output = stale();
    let signal = std::mem::MaybeUninit::new;
    unsafe {
        assert_eq!(torvyn_pull(instance, &raw mut output, null_mut()), TORVYN_OK);
        assert_eq!((output.sequence, taken(output).unwrap()), (0, b"one".to_vec()));
        let paused = torvyn_notify_backpressure(instance, signal(Signal::TORVYN_SIGNAL_PAUSE), null_mut());
        assert_eq!(paused, TORVYN_OK);
        assert_eq!(torvyn_pull(instance, &raw mut output, null_mut()), TORVYN_NO_ELEMENT);
        assert_eq!(taken(output), None);
        torvyn_notify_backpressure(instance, signal(Signal::TORVYN_SIGNAL_READY), null_mut());
        assert_eq!(torvyn_pull(instance, &raw mut output, null_mut()), TORVYN_OK);
        assert_eq!(taken(output).unwrap(), b"two");
        assert_eq!(torvyn_pull(instance, &raw mut output, null_mut()), TORVYN_NO_ELEMENT);
        torvyn_instance_free(instance);
    }
}

#[test]
fn filter_router_and_aggregator() {
    let filter = instance("even-filter", "needle");
    let mut passes = true;
    unsafe {
        assert_eq!(torvyn_evaluate(filter, &element(b"hay"), &raw mut passes, null_mut()), TORVYN_OK);
        assert!(!passes);
        assert_eq!(torvyn_evaluate(filter, &element(b"a needle"), &raw mut passes, null_mut()), TORVYN_OK);
        assert!(passes);
        assert_eq!(torvyn_evaluate(filter, null(), &raw mut passes, null_mut()), TORVYN_ERROR_NULL);
        assert!(!passes);
        torvyn_instance_free(filter);
    }

    let router = instance("port-router", "");
    let mut ports = Ports::CLEAR;
    let mut storage = Vec::new();
    for (payload, wanted) in [("a,bc x", &["a", "bc"][..]), ("-", &[]), ("c", &["c"]), ("x,y", &["x", "y"])] {
        unsafe {
            let element = element(payload.as_bytes());
            assert_eq!(torvyn_route(router, &element, &raw mut ports, null_mut()), TORVYN_OK);
            let names: Vec<_> = (0..ports.len).map(|i| (*ports.names.add(i)).text("").unwrap()).collect();
            assert_eq!(names, wanted);
            storage.push(ports.names);
        }
    }
    assert!(storage.iter().all(|names| *names == storage[0]), "reused");
    unsafe { torvyn_instance_free(router) };

    let aggregator = instance("batch-aggregator", "3 split");
    let (mut output, mut list) = (stale(), null_mut());
    unsafe {
        for payload in [b"a", b"b"] {
            let status = torvyn_ingest(aggregator, &element(payload), &raw mut output, null_mut());
            assert_eq!((status, taken(output)), (TORVYN_NOTHING_EMITTED, None));
        }
        assert_eq!(torvyn_flush(aggregator, &raw mut list, null_mut()), TORVYN_OK);
        assert_eq!(torvyn_outputs_count(list), 2);
        assert_eq!(torvyn_outputs_take(list, 1, &raw mut output, null_mut()), TORVYN_OK);
        torvyn_outputs_free(list);
        assert_eq!(taken(output).unwrap(), b"b");
        for (payload, wanted) in [(b"a", None), (b"b", None), (b"c", Some(b"a\nb\nc".to_vec()))] {
            torvyn_ingest(aggregator, &element(payload), &raw mut output, null_mut());
            assert_eq!(taken(output), wanted);
        }
        torvyn_instance_free(aggregator);
        assert_eq!(torvyn_flush(null_mut(), &raw mut list, null_mut()), TORVYN_ERROR_NULL);
        assert!(list.is_null());
    }
}
