;; A core module, which is not a component although it is WebAssembly.
(module
  (memory (export "memory") 1)
  (func (export "process") (param i32 i32) (result i32)
    (local.get 0)))
