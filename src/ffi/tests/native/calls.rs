//! What goes into callbacks, what comes out, where it goes wrong.

use super::super::super::args::Clear as _;
use super::super::super::buffer::*;
use super::super::super::filtering::*;
use super::super::handles::stats;
use super::*;

#[test]
fn a_native_stage_from_bytes_to_bytes() {
    let world = World::default();
    let instance = native(&processor(&world));
    let mut output = stale();
    unsafe {
        assert_eq!(torvyn_process(instance, &element(b"abc"), &raw mut output, null_mut()), TORVYN_OK);
        assert_eq!((output.sequence, output.timestamp_ns), (5, 6), "the input's");
        assert_eq!(output.content_type.text("").unwrap(), "text/plain");
        assert_eq!(torvyn_buffer_content_type(output.payload).text("").unwrap(), "text/plain");
        let at = output.bytes.data;
        assert_eq!(taken(output).unwrap(), b"ABC");
        assert_eq!(torvyn_process(instance, &element(b"again"), &raw mut output, null_mut()), TORVYN_OK);
        assert_eq!(output.bytes.data, at, "from the pool");
        assert_eq!(process(instance, b"drop"), (TORVYN_NOTHING_EMITTED, String::new(), None));
        assert_eq!(process(instance, b"empty").2.unwrap(), b"");
        assert_eq!(process(instance, b"twice").2.unwrap(), b"first");
        torvyn_instance_free(instance);
        assert_eq!(taken(output).unwrap(), b"AGAIN", "it outlives its instance");
    }
    assert_eq!(*world.said.lock(), ["init "], "torvyn_instance_free() calls no teardown");
}

#[test]
fn outputs_grow_as_far_as_they_may() {
    let world = World::default();
    let instance = native_in(&EngineConfig { buffer_limit: 64 << 10, ..config() }, &processor(&world));
    for size in [1, 4096, 4097, 60_000] {
        let bytes = process(instance, format!("grow {size}").as_bytes()).2.unwrap();
        assert!(bytes.len() == size && bytes.iter().enumerate().all(|(at, byte)| at % 251 == *byte as usize));
    }
    assert_eq!(process(instance, b"memory").2.unwrap(), b"MEMORY");
    assert_eq!(process(instance, b"misuse").2.unwrap(), b"MISUSE");
    unsafe { torvyn_instance_free(instance) };
}

#[test]
fn an_element_comes_with_its_flow() {
    let world = World::default();
    let instance = native(&processor(&world));
    assert_eq!(process(instance, b"flow").2.unwrap(), b"");
    let (trace_id, span_id, flow_id) = (Str::of("t"), Str::of("s"), Str::of("f"));
    let flow = Flow { trace_id, span_id, flow_id, deadline_ns: 1 << 40 };
    let mut output = stale();
    unsafe {
        torvyn_process(instance, &Element { flow: &raw const flow, ..element(b"flow") }, &raw mut output, null_mut());
        assert_eq!(taken(output).unwrap(), b"t s f 1099511627776");
        torvyn_instance_free(instance);
    }
}

#[test]
fn a_verdict_is_the_components_own() {
    let world = World::default();
    let instance = native(&processor(&world));
    let mut output = stale();
    for (kind, retryable) in [
        (TORVYN_ERROR_INVALID_INPUT, false),
        (TORVYN_ERROR_UNAVAILABLE, true),
        (TORVYN_ERROR_GUEST_INTERNAL, false),
        (TORVYN_ERROR_DEADLINE_EXCEEDED, true),
        (TORVYN_ERROR_FATAL, false),
    ] {
        let (command, mut err) = (format!("fail {} why\nnot", kind as i32), null_mut());
        unsafe {
            assert_eq!(torvyn_instance_state(instance), State::TORVYN_STATE_READY);
            let status = torvyn_process(instance, &element(command.as_bytes()), &raw mut output, &raw mut err);
            assert_eq!((status, taken(output)), (kind, None));
            assert_eq!(torvyn_error_is_retryable(err), retryable);
            assert_eq!(torvyn_error_is_fatal(err), kind == TORVYN_ERROR_FATAL);
            assert_eq!(torvyn_error_function(err).text("").unwrap(), "process");
            assert_eq!(detail(status, err), "why\nnot");
        }
    }
    unsafe {
        assert_eq!(torvyn_instance_state(instance), State::TORVYN_STATE_FAILED);
        assert_eq!(stats(instance).guest_errors, 5);
        assert_eq!(torvyn_teardown(instance, null_mut()), TORVYN_OK);
        assert_eq!(torvyn_instance_reset(instance, null_mut()), TORVYN_OK);
        assert_eq!(torvyn_init(instance, Str::EMPTY, null_mut()), TORVYN_OK);
        // The verdict is the answer; a text without one is no verdict, and nor is one text's for two.
        let text = |command: &str| process(instance, command.as_bytes());
        assert_eq!(text("answer -200"), (TORVYN_ERROR_INVALID_INPUT, String::new(), None));
        assert_eq!(text("emit-and-answer -201"), (TORVYN_ERROR_UNAVAILABLE, String::new(), None));
        torvyn_instance_free(instance);
    }
}

#[test]
fn an_answer_that_is_none_poisons() {
    let world = World::default();
    let instance = native(&processor(&world));
    for (command, says) in [
        ("answer 0", "emitted no output"),
        ("answer 1", "TORVYN_NO_ELEMENT"),
        ("answer 3", "TORVYN_INCOMPATIBLE"),
        ("answer -112", "TORVYN_ERROR_TRAP"),
        ("answer -116", "TORVYN_ERROR_MEMORY"),
        ("answer 4711", "4711"),
        ("fail -1 x", "TORVYN_ERROR_ARGUMENT"),
        ("emit-and-answer 1", "TORVYN_NO_ELEMENT"),
        ("emit-and-answer 2", "emitted an output"),
        ("emit-and-answer -112", "TORVYN_ERROR_TRAP"),
    ] {
        let (status, said, output) = process(instance, command.as_bytes());
        assert_eq!((status, output), (TORVYN_ERROR_INTERNAL, None), "{command}");
        assert!(said.contains(says), "{command}: {said}");
        unsafe {
            assert_eq!(torvyn_instance_state(instance), State::TORVYN_STATE_POISONED);
            assert_eq!(process(instance, b"x").0, TORVYN_ERROR_STATE);
            assert_eq!(torvyn_instance_reset(instance, null_mut()), TORVYN_OK);
            assert_eq!(torvyn_init(instance, Str::EMPTY, null_mut()), TORVYN_OK);
        }
    }
    let seen = stats(instance);
    assert_eq!((seen.stopped, seen.traps, seen.resets, seen.elements_out), (10, 0, 10, 0));
    unsafe { torvyn_instance_free(instance) };
    assert_eq!((world.made.load(SeqCst), world.freed.load(SeqCst)), (11, 11));
}

#[test]
fn a_batch_of_native_calls() {
    let world = World::default();
    let instance = native(&processor(&world));
    let elements: Vec<_> = [&b"one"[..], b"drop", b"three", b"fail -200 no", b"five"].map(element).into();
    let (mut outputs, mut done, mut err) = ([stale(); 5], 9, null_mut());
    unsafe {
        let out = outputs.as_mut_ptr();
        let status = torvyn_process_batch(instance, elements.as_ptr(), 5, out, &raw mut done, &raw mut err);
        assert_eq!((status, done), (TORVYN_ERROR_INVALID_INPUT, 3));
        assert_eq!(detail(status, err), "no");
        let all = outputs.map(taken);
        assert_eq!(all, [Some(b"ONE".to_vec()), None, Some(b"THREE".to_vec()), None, None]);
        let seen = stats(instance);
        assert_eq!((seen.calls, seen.elements_in, seen.elements_out, seen.guest_errors), (5, 4, 2, 1));
        assert_eq!((seen.bytes_in, seen.bytes_out), (0, 0), "written in place");
        torvyn_instance_free(instance);
    }
}

unsafe extern "C" fn pull(_: *mut c_void, state: *mut c_void, call: Call) -> Given {
    let own = own(state);
    if own.count >= 2 {
        return given(TORVYN_NO_ELEMENT);
    }
    own.count += 1;
    given(emit(call, b"pulled"))
}

unsafe extern "C" fn notify(_: *mut c_void, state: *mut c_void, call: Call, signal: Signal) -> Given {
    if signal == Signal::TORVYN_SIGNAL_READY {
        own(state).count = 0;
        return given(TORVYN_OK);
    }
    verdict(call, TORVYN_ERROR_UNAVAILABLE, "cannot pause")
}

#[test]
fn a_native_source() {
    let world = World::default();
    let table = Native {
        instance_new: Some(instance_new),
        instance_free: Some(instance_free),
        pull: Some(pull),
        notify_backpressure: Some(notify),
        ..empty(&world)
    };
    let instance = native(&table);
    let (mut output, mut err) = (stale(), null_mut());
    let signal = MaybeUninit::new;
    unsafe {
        for _ in 0..2 {
            assert_eq!(torvyn_pull(instance, &raw mut output, null_mut()), TORVYN_OK);
            assert_eq!((output.sequence, output.timestamp_ns), (70, 71), "the component's own");
            assert_eq!(output.content_type.text("").unwrap(), "text/own");
            assert_eq!(taken(output).unwrap(), b"pulled");
        }
        assert_eq!(torvyn_pull(instance, &raw mut output, null_mut()), TORVYN_NO_ELEMENT);
        let status = torvyn_notify_backpressure(instance, signal(Signal::TORVYN_SIGNAL_PAUSE), &raw mut err);
        assert_eq!(status, TORVYN_ERROR_UNAVAILABLE);
        assert_eq!(detail(status, err), "cannot pause");
        let ready = torvyn_notify_backpressure(instance, signal(Signal::TORVYN_SIGNAL_READY), null_mut());
        assert_eq!(ready, TORVYN_OK);
        assert_eq!(torvyn_pull(instance, &raw mut output, null_mut()), TORVYN_OK);
        assert_eq!(taken(output).unwrap(), b"pulled");
        assert_eq!(process(instance, b"x").0, TORVYN_ERROR_NOT_EXPORTED);
        assert_eq!((stats(instance).elements_out, stats(instance).bytes_out), (3, 18));
        torvyn_instance_free(instance);
    }
}

unsafe extern "C" fn push(_: *mut c_void, _: *mut c_void, _: Call, e: *const Element, signal: *mut Signal) -> Given {
    assert_eq!(unsafe { signal.cast::<i32>().read() }, 0);
    match payload(e) {
        "pause" => unsafe { signal.write(Signal::TORVYN_SIGNAL_PAUSE) },
        "junk" => unsafe { signal.cast::<i32>().write(7) },
        _ => {}
    }
    given(TORVYN_OK)
}

#[test]
fn a_native_sink() {
    let world = World::default();
    let instance = native(&Native { push: Some(push), ..empty(&world) });
    let elements = [element(b"a"), element(b"pause"), element(b"c")];
    let (mut signal, mut done, mut err) = (Signal::TORVYN_SIGNAL_READY, 0, null_mut());
    unsafe {
        torvyn_push_batch(instance, elements.as_ptr(), 3, &raw mut signal, &raw mut done, null_mut());
        assert_eq!((signal, done), (Signal::TORVYN_SIGNAL_PAUSE, 2));
        assert_eq!(torvyn_push(instance, &element(b"a"), &raw mut signal, null_mut()), TORVYN_OK);
        assert_eq!(signal, Signal::TORVYN_SIGNAL_READY);
        assert_eq!(torvyn_complete(instance, null_mut()), TORVYN_OK, "nothing to do");
        let status = torvyn_push(instance, &element(b"junk"), null_mut(), &raw mut err);
        assert_eq!(status, TORVYN_ERROR_INTERNAL);
        assert!(detail(status, err).contains("torvyn_signal_t"));
        torvyn_instance_free(instance);
    }
}

unsafe extern "C" fn evaluate(_: *mut c_void, _: *mut c_void, _: Call, e: *const Element, passes: *mut bool) -> Given {
    unsafe {
        assert!(!*passes);
        *passes = payload(e).contains("needle");
    }
    given(TORVYN_OK)
}

unsafe extern "C" fn route(_: *mut c_void, _: *mut c_void, call: Call, e: *const Element) -> Given {
    for name in payload(e).split(',').filter(|name| !name.is_empty()) {
        assert_eq!(unsafe { torvyn_native_port(call, Str::of(name), null_mut()) }, TORVYN_OK);
    }
    given(TORVYN_OK)
}

#[test]
fn a_native_filter_and_router() {
    let world = World::default();
    let instance = native(&Native { evaluate: Some(evaluate), route: Some(route), ..empty(&world) });
    let (mut passes, mut ports) = (true, Ports::CLEAR);
    unsafe {
        assert_eq!(torvyn_evaluate(instance, &element(b"hay"), &raw mut passes, null_mut()), TORVYN_OK);
        assert!(!passes);
        assert_eq!(torvyn_evaluate(instance, &element(b"a needle"), &raw mut passes, null_mut()), TORVYN_OK);
        assert!(passes);
        for wanted in [&["a", "bc"][..], &[], &["c"], &["x", "y", "z"]] {
            let payload = wanted.join(",");
            torvyn_route(instance, &element(payload.as_bytes()), &raw mut ports, null_mut());
            let names: Vec<_> = (0..ports.len).map(|i| (*ports.names.add(i)).text("").unwrap()).collect();
            assert_eq!(names, wanted);
        }
        torvyn_instance_free(instance);
    }
}

unsafe extern "C" fn ingest(_: *mut c_void, state: *mut c_void, call: Call, _: *const Element) -> Given {
    let own = own(state);
    own.count += 1;
    given(if own.count % 3 == 0 { emit(call, b"three") } else { TORVYN_NOTHING_EMITTED })
}

/// As many outputs as were ingested, and one that is begun and not emitted.
unsafe extern "C" fn flush(_: *mut c_void, state: *mut c_void, call: Call) -> Given {
    for n in 0..own(state).count {
        if emit(call, n.to_string().as_bytes()) != TORVYN_OK {
            return verdict(call, TORVYN_ERROR_UNAVAILABLE, "too many");
        }
    }
    assert_eq!(unsafe { torvyn_native_append(call, b"x".as_ptr(), 1, null_mut()) }, TORVYN_OK);
    given(TORVYN_OK)
}

#[test]
fn a_native_aggregator() {
    let world = World::default();
    let table = Native {
        instance_new: Some(instance_new),
        instance_free: Some(instance_free),
        ingest: Some(ingest),
        flush: Some(flush),
        ..empty(&world)
    };
    let instance = native_in(&EngineConfig { max_handles: 5, ..config() }, &table);
    let (mut output, mut list, mut err) = (stale(), null_mut(), null_mut());
    unsafe {
        for wanted in [None, None, Some(b"three".to_vec()), None, None] {
            let status = torvyn_ingest(instance, &element(b"x"), &raw mut output, null_mut());
            assert_eq!(status, if wanted.is_some() { TORVYN_OK } else { TORVYN_NOTHING_EMITTED });
            assert_eq!((output.sequence == 5, taken(output)), (wanted.is_some(), wanted));
        }
        assert_eq!(torvyn_flush(instance, &raw mut list, null_mut()), TORVYN_OK);
        assert_eq!(torvyn_outputs_count(list), 5);
        assert_eq!(torvyn_outputs_take(list, 4, &raw mut output, null_mut()), TORVYN_OK);
        assert_eq!((output.sequence, taken(output).unwrap()), (70, b"4".to_vec()));
        torvyn_outputs_free(list);
        torvyn_ingest(instance, &element(b"x"), &raw mut output, null_mut());
        taken(output);
        let status = torvyn_flush(instance, &raw mut list, &raw mut err);
        assert_eq!((status, list.is_null()), (TORVYN_ERROR_UNAVAILABLE, true));
        assert_eq!(detail(status, err), "too many");
        torvyn_instance_free(instance);

        let bare = native(&Native { flush: None, ingest: Some(route), ..empty(&World::default()) });
        assert_eq!(torvyn_flush(bare, &raw mut list, null_mut()), TORVYN_OK);
        assert_eq!(torvyn_outputs_count(list), 0, "nothing to do");
        torvyn_outputs_free(list);
        torvyn_instance_free(bare);
    }
}
