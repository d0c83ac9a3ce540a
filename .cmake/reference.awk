# What Doxygen reads instead of a header, line by line.

# Element-wise operations and update rules have the same members each, which core/operation.hpp and
# optim/optimizer.hpp describe: of these the reference shows the comment alone.
/^namespace op {$/ { in_operations = 1 }
/^}  \/\/ namespace op$/ { in_operations = 0 }
/^struct .*{$/ && (in_operations || /Rule {$/) { hides = 1; print $0 " /** \\cond */"; next }
/^};$/ && hides { hides = 0; print "/** \\endcond */ };"; next }
# So do models, by nn/module.hpp, with their function `members`.
/^  void members\(auto&&/ { naming = 1; $0 = "/** \\cond */" $0 }
naming && /}$/ { naming = 0; print $0 " /** \\endcond */"; next }

# Indented lines of a paragraph are formulas, and stay lines; wide gaps within a line stay gaps.
# After an empty line they are a block of code, which Doxygen knows.
# Of the comment of a group Doxygen finds no first sentence: all of its first paragraph is the brief.
/^ *\/\/\/@{/ { group = 1; print; next }
!/^ *\/\/\/( |$)/ { paragraph = formula = block = 0; print; next }
{
  begin = match($0, /\/\/\//) + 3
  mark = substr($0, 1, begin - 1)
  text = substr($0, begin)
  indented = text ~ /^     /
}
text ~ /^ *$/ { paragraph = formula = 0; print; next }
block && indented { print; next }
!paragraph && indented { block = 1; print; next }
!paragraph { command = formula = 0 }
text ~ /^ *\\(param|throws)/ { command = 1 }
command { block = 0; paragraph = 1; print; next }
{
  block = 0
  paragraph = 1
  sub(/^ +/, "", text)
  gsub(/   +/, " \\&emsp; ", text)
  # not the end of the first sentence
  gsub(/ \.\. /, " ..\\&nbsp;", text)
  gsub(/ al\. /, " al.\\ ", text)
  if (group) text = "\\brief " text
  group = 0
  if (indented) {
    formula = 1
    print mark " <br>&emsp; " text
  } else {
    print mark (formula || text ~ /^Sources?:/ ? " <br>" : " ") text
    formula = 0
  }
}
