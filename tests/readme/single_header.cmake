cmake_minimum_required(VERSION 3.22)

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()

set(headers "${BUILD}/single_header")
file(REMOVE_RECURSE "${headers}" "${PROGRAM}")
run("${CMAKE_COMMAND}" --build "${BUILD}" --target single_header)
run(${COMPILE} "-I${headers}" "${SOURCE}" -o "${PROGRAM}")
run(${COMPILE} "-I${headers}" -fsyntax-only -include gradtape/gradtape.hpp -x c++ /dev/null)
include("${CMAKE_CURRENT_LIST_DIR}/compare.cmake")
