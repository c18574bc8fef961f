#[test]
fn where_am_i() { println!("{:?}", std::env::current_exe()); println!("{:?}", std::env::vars().filter(|(k,_)| k.starts_with("CARGO")).collect::<Vec<_>>()); }
