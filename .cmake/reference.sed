# Element-wise operations and update rules have the same members each, which core/operation.hpp and
# optim/optimizer.hpp describe: the reference shows the comment of the struct alone.
/^namespace op {/,/^}  \/\/ namespace op$/ {
  s|^struct .*{$|& /** \\cond */|
  s|^};$|/** \\endcond */ };|
}
/^struct [A-Za-z]*Rule {$/,/^};$/ {
  s|^struct .*{$|& /** \\cond */|
  s|^};$|/** \\endcond */ };|
}
