# Compiles SOURCE once a case. Case 0 is the control and must compile. Case N must not, and the
# first error must match the regex of its line `// expect: N regex`: the message that a user reads is
# part of the interface.
cmake_minimum_required(VERSION 3.22)

file(STRINGS "${SOURCE}" lines)
set(cases 0)
foreach(line IN LISTS lines)
  if(line MATCHES "^// expect: ([0-9]+) (.+)$")
    set(expect_${CMAKE_MATCH_1} "${CMAKE_MATCH_2}")
    list(APPEND cases ${CMAKE_MATCH_1})
  elseif(line MATCHES "CASE == ([0-9]+)")
    list(APPEND cases ${CMAKE_MATCH_1})
  endif()
endforeach()
list(REMOVE_DUPLICATES cases)
if(cases STREQUAL "0")
  message(SEND_ERROR "${SOURCE} has no line `// expect: N regex`")
endif()

foreach(case IN LISTS cases)
  execute_process(
    COMMAND ${COMPILE} -fsyntax-only -DCASE=${case} "${SOURCE}"
    RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  string(REGEX MATCH "error: [^\n]*" error "${output}")
  if(case EQUAL 0)
    if(NOT result EQUAL 0)
      message(SEND_ERROR "the control does not compile\n${output}")
    endif()
  elseif(result EQUAL 0)
    message(SEND_ERROR "case ${case} compiles")
  elseif(NOT DEFINED expect_${case})
    message(SEND_ERROR "case ${case} has no line `// expect: ${case} regex`\n${output}")
  elseif(NOT error MATCHES "${expect_${case}}")
    message(SEND_ERROR "case ${case}: the first error is not `${expect_${case}}`\n${output}")
  else()
    message(STATUS "case ${case}: ${error}")
  endif()
endforeach()
