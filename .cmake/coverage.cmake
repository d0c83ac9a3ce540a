# The target `coverage` runs the unit tests and reports which lines of include/ they execute: a table
# of files, and in build/coverage/index.html each line. A line of a template counts as executed if
# one of its instances is; what nothing instantiates is no line.
find_program(GCOVR gcovr)
if(NOT GCOVR)
  message(FATAL_ERROR "The target coverage needs gcovr: apt-get install gcovr")
endif()

get_property(programs GLOBAL PROPERTY gradtape_test_programs)
set(run)
foreach(program IN LISTS programs)
  list(APPEND run COMMAND $<TARGET_FILE:${program}>)
endforeach()
add_custom_target(coverage VERBATIM WORKING_DIRECTORY "${PROJECT_BINARY_DIR}"
  COMMAND "${CMAKE_COMMAND}" -E make_directory coverage
  ${run}
  COMMAND "${GCOVR}" --delete --root "${PROJECT_SOURCE_DIR}"
          --filter "${PROJECT_SOURCE_DIR}/include/" --exclude-throw-branches
          --html-details coverage/index.html --json coverage/lines.json --txt -
          --fail-under-line 97 .)
add_dependencies(coverage ${programs})
