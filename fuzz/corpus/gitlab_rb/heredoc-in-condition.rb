if e
''=<<~E
E
'