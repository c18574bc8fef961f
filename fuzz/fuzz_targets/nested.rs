#![no_main]

torvyn_fuzz::target!(torvyn_fuzz_nested);
