//! What is understood of Ruby, and what is skipped.

use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Node {
    document(text).root
}

/// What `x` is set to.
fn x(text: &str) -> Option<Value> {
    read(text).get("x").map(|node| node.value.clone())
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn list<const N: usize>(items: [Value; N]) -> Value {
    Value::List(items.into_iter().map(|value| Node::new(1, value)).collect())
}

fn map<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    Value::Map(pairs.into_iter().map(|(key, value)| (key.to_owned(), Node::new(1, value))).collect())
}

const CALCULATED: Value = Value::Unknown(UnknownReason::Calculated);
const CONDITIONAL: Value = Value::Unknown(UnknownReason::Conditional);

#[test]
fn literals() {
    let cases = [
        ("x = 'a'", text("a")),
        ("x=\"a\"", text("a")),
        ("x = 'it\\'s \\\\ \\n #{y}'", text("it's \\ \\n #{y}")),
        (r#"x = "a\t\"b\" \\ # \#{c} \u00e9\u{41 42}""#, text("a\t\"b\" \\ # #{c} éAB")),
        ("x = \"# no comment\" # a comment", text("# no comment")),
        ("x = 'a'.freeze", text("a")),
        ("x =\n  # why\n  'a';y = 1", text("a")),
        ("x = :name", text("name")),
        ("x = :'a b'", text("a b")),
        ("x = %q(a(b)c)", text("a(b)c")),
        ("x = %Q[a\\n]", text("a\n")),
        ("x = %w[a b\n c]", Value::List(["a", "b", "c"].map(|word| Node::new(2, text(word))).into())),
        ("x = 1_000", Value::Number("1000".to_owned())),
        ("x = -1.5", Value::Number("-1.5".to_owned())),
        ("x = true", Value::Flag(true)),
        ("x = false if_not = 1", CALCULATED),
        ("x = nil", Value::Nil),
        ("x = [1, 'a', [], ]", list([Value::Number("1".to_owned()), text("a"), list([])])),
        (
            "x = { 'a' => 'b', :c => 'd', e: 'f', \"g\": 'h', 1 => 'i', }",
            map([("a", text("b")), ("c", text("d")), ("e", text("f")), ("g", text("h")), ("1", text("i"))]),
        ),
        ("x = {}", map([])),
        ("x = 'a'\r\ny = 'b'\r\n", text("a")),
        ("x = 'grün'", text("grün")),
    ];
    for (ruby, value) in cases {
        assert_eq!(x(ruby), Some(value), "{ruby}");
    }
}

#[test]
fn here_documents() {
    let cases = [
        ("x = <<EOS\na\n  b\nEOS\n", "a\n  b\n"),
        ("x = <<-EOS\n  a\n  EOS\n", "  a\n"),
        ("x = <<~EOS\n    a\n\n      b\n  EOS\n", "a\n\n  b\n"),
        ("x = <<~'EOS'\n  a\\n\n  EOS\n", "a\\n\n"),
        ("x = <<~\"EOS\"\n  a\\tb\n  EOS\n", "a\tb\n"),
        ("x = <<~EOS.freeze\n  a\n  EOS\n", "a\n"),
    ];
    for (ruby, value) in cases {
        let after = format!("{ruby}y = 'after'\n");
        let root = read(&after);
        assert_eq!(x(&after), Some(text(value)), "{ruby}");
        let y = root.get("y").unwrap();
        assert_eq!((&y.value, y.line), (&text("after"), after.lines().count()), "{ruby}");
    }
    let two = "x = { a: <<~A, b: <<~B, c: 'd' }\n  1\nA\n  2\nB\ny = 1";
    let two_lines = x(two).unwrap();
    let Value::Map(pairs) = two_lines else { panic!("a hash") };
    let values: Vec<_> = pairs.into_values().map(|node| node.value).collect();
    assert_eq!(values, [text("1\n"), text("2\n"), text("d")]);
    assert_eq!(read(two).get("y").unwrap().line, 6);
}

#[test]
fn what_is_calculated_is_unknown() {
    let calculated = [
        "x = \"a#{y}\"",
        "x = \"a#{\"b}#{c}\"}\"",
        "x = ENV['X']",
        "x = ENV.fetch('X') { 'y' }",
        "x = File.read('/etc/x').strip",
        "x = 'a' + 'b'",
        "x = 'a'\n  .strip",
        "x = ['a', 'b'].first",
        "x = y",
        "x = y = 'a'",
        "x = `cat`",
        "x = { **y, 'a' => 1 }",
        "x = { y => 1 }",
        "x = <<~EOS\n  #{y}\nEOS\n",
        "x = cond ? 'a' : 'b'",
        "x = 0x10",
        "x = \"\\x41\"",
        "x = lambda do |y|\n  y = 'a'\nend",
        "x = [",
        "x = {'a' => 1",
        "x = 'a",
        "x =",
    ];
    for ruby in calculated {
        assert_eq!(x(ruby), Some(CALCULATED), "{ruby}");
    }
    let nested = x("x = { 'a' => ENV['A', 1], 'b' => 'c' }");
    assert_eq!(nested, Some(map([("a", CALCULATED), ("b", text("c"))])));
    assert_eq!(x("x = [File.read('a'), 'b']"), Some(list([CALCULATED, text("b")])));
    assert_eq!(x("x = 'a' if ENV['Y']"), Some(CONDITIONAL));
}

#[test]
fn what_is_skipped_hides_nothing_that_follows() {
    let before = [
        "",
        "\n\n# x = 'comment'\n",
        "=begin\nx = 'comment'\n=end\n",
        "external_url 'https://gitlab.example.com'\n",
        "roles ['application_role', 'redis']\n",
        "roles(%w[a b])\n",
        "y = \"#{z['}']}\" + 'b'\n",
        "puts 'it''s', \"x = '\"\n",
        "y = z =~ /['\"]/ ? 1 : 2\n",
        "y = 6 / 2 / 1\n",
        "foo(<<~A, 'b')\n  x = 'document'\nA\n",
        "y = z.map { |a| a }.\n  first\n",
        "y = z\n  # a comment\n  .first\n",
        "foo 'a',\n    'b'\n",
        "if a then b end\n",
        "if a\n  b\nelsif c\n  d\nelse\n  e\nend\n",
        "unless a; b; end\n",
        "while a do\n  b\nend\n",
        "[1].each do |a|\n  b if a\nend\n",
        "y = if a\n  'b'\nelse\n  'c'\nend\n",
        "y = case a\n  when 'b' then 'c'\nend\n",
        "def a(b)\n  b.end\nend\n",
        "class A < B\n  def c; end\nend\n",
        "begin\n  a\nrescue\n  b\nend while c\n",
        "y = { if: 1, end: 2, 'do' => 3 }\n",
        "y = a.class.do\n",
        "y = %w(do if\n begin)\n",
        ") ] } , => !\n",
        "@y = 1; $z = 2;\n",
        "y = [[[[\n",
    ];
    for before in &before[..before.len() - 1] {
        let ruby = format!("{before}x = 'a'\n");
        assert_eq!(x(&ruby), Some(text("a")), "{ruby}");
    }
    assert_eq!(x("y = [[[[\nx = 'a'\n"), None);
    assert_eq!(x("x = 'a'\n__END__\nx = 'b'\n"), Some(text("a")));
}

#[test]
fn what_is_set_under_a_condition_is_unknown() {
    let cases = [
        "if a\n  x = 'a'\nend\n",
        "if a\nelse\n  x = 'a'\nend\n",
        "case a\nwhen 1\n  x = 'a'\nend\n",
        "%w[a b].each do |b|\n  x = 'a'\nend\n",
        "def a\n  x = 'a'\nend\n",
        "while a do\n  x = 'a'\nend\n",
        "if a\n  if b then c end\n  d if e\n  x = 'a'\nend\n",
        "begin\n  x = 'a'\nend\n",
    ];
    for ruby in cases {
        assert_eq!(x(ruby), Some(CONDITIONAL), "{ruby}");
        assert_eq!(x(&format!("{ruby}x = 'b'\n")), Some(text("b")), "{ruby}");
    }
}

#[test]
fn settings_are_put_together_from_their_statements() {
    let at = |ruby: &str, path: &[&str]| {
        let root = read(ruby);
        path.iter().try_fold(&root, |node, key| node.get(key)).map(|node| (node.line, node.value.clone()))
    };
    let ruby =
        "a['b'] = { 'c' => 1, d: 'e' }\na[\"b\"][:c] = 'f'\na['g']['h'] ||= 'i'\na['b']['d'] ||= 'j'\n";
    assert_eq!(at(ruby, &["a", "b", "c"]), Some((2, text("f"))));
    assert_eq!(at(ruby, &["a", "b", "d"]), Some((1, text("e"))));
    assert_eq!(at(ruby, &["a", "g", "h"]), Some((3, text("i"))));
    let changed = ["a['b'] << 'c'", "a['b'] += ['c']", "a['b'].push('c')", "a['b'].merge!('c' => 1)"];
    for change in changed {
        let ruby = format!("a['b'] = ['d']\n{change}\n");
        assert_eq!(at(&ruby, &["a", "b"]), Some((2, CALCULATED)), "{ruby}");
    }
    // An unknown value stays unknown, whatever is set below it.
    assert_eq!(at("a['b'] = c\na['b']['d'] = 1", &["a", "b"]), Some((1, CALCULATED)));
    assert_eq!(at("a['b'].each do |c|\nend\na['b'] == 'c'\na['b'] =~ /d/\n", &["a", "b"]), None);
    assert_eq!(at("a[b] = 'c'\na[0] = 'd'", &["a"]), None);
}

#[test]
fn git_data_dirs_is_a_call_that_sets() {
    let dirs = map([("default", map([("path", text("/mnt"))]))]);
    let calls = [
        "git_data_dirs({'default' => { 'path' => '/mnt' }})",
        "git_data_dirs(\"default\" => { \"path\" => \"/mnt\" })",
        "git_data_dirs( { default: { path: '/mnt' } } ) # why",
    ];
    for ruby in calls {
        assert_eq!(read(ruby).get("git_data_dirs").unwrap().value, dirs, "{ruby}");
    }
    assert_eq!(read("git_data_dirs(a)").get("git_data_dirs").unwrap().value, CALCULATED);
    assert_eq!(read("if a\ngit_data_dirs({})\nend").get("git_data_dirs").unwrap().value, CONDITIONAL);
}

#[test]
fn what_loads_other_settings_is_noted() {
    let notes = |ruby| document(ruby).ignored;
    let [(line, why)] = notes("\nfrom_file '/etc/gitlab/x.rb'\n").try_into().unwrap();
    assert_eq!((line, why.as_str()), (2, "`from_file` loads other settings, which were not read"));
    let [(_, why)] = notes("gitlab_rails.merge!(x)").try_into().unwrap();
    assert_eq!(why, "`gitlab_rails` is changed as a whole in a way that could not be understood");
}

#[test]
fn endless_nesting_is_survived() {
    let deep = 50_000;
    let cases = [
        format!("x = {}", "[".repeat(deep)),
        format!("x = {}{}", "[".repeat(deep), "]".repeat(deep)),
        format!("x = {}", "{a:".repeat(deep)),
        format!("x = {}", "\"#{".repeat(deep)),
        format!("x{} = 1", "['a']".repeat(deep)),
        format!("x = {}", "(".repeat(deep)),
        "if a\n".repeat(deep),
        "x = <<A\n".repeat(deep),
        "<<A ".repeat(deep),
        format!("x\n{}", "# a\n".repeat(deep)),
        format!("x\n{}.y", "# a\n".repeat(deep)),
        "x\n.y\n".repeat(deep),
        "=begin\n".repeat(deep),
        "%w(".repeat(deep),
        "x = /".repeat(deep),
    ];
    for ruby in cases {
        let root = read(&ruby);
        assert!(root.extent().1 <= 2 * DEEPEST + 2);
    }
    let just = format!("x = {}{}", "[".repeat(DEEPEST), "]".repeat(DEEPEST));
    assert_eq!(read(&just).extent().1, DEEPEST + 1);
}

proptest! {
    #[test]
    fn no_text_makes_it_fail(text in any::<String>()) {
        document(&text);
    }

    #[test]
    fn nothing_that_looks_like_ruby_makes_it_fail(
        parts in prop::collection::vec(prop::sample::select(vec![
            "x", "['a']", "=", "||=", "'", "\"", "#{", "}", "{", "[", "]", "(", ")", ",", "=>", ":", "a:", "<<~A",
            "\nA\n", "\n", " ", "if", "end", "do", "%w[", "/", "\\", "#", "=begin", "__END__", "1", "-", ".freeze",
            "git_data_dirs", "nil", ";", "é", "`", "?",
        ]), 0..60),
    ) {
        document(&parts.concat());
    }

    #[test]
    fn a_text_in_quotes_is_read_as_it_was(text in any::<String>()) {
        let single = text.replace('\\', "\\\\").replace('\'', "\\'");
        prop_assert_eq!(x(&format!("x = '{single}'")), Some(Value::Text(text.clone())));
        let double: Vec<_> = text.chars().map(|next| format!("\\u{{{:x}}}", u32::from(next))).collect();
        let double = double.concat();
        prop_assert_eq!(x(&format!("x = \"{double}\"")), Some(Value::Text(text)));
    }
}
