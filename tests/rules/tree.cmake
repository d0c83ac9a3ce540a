cmake_minimum_required(VERSION 3.22)

# Asked of git, because a working directory has build directories and a user's own files as well.
find_package(Git QUIET)
if(GIT_FOUND AND EXISTS "${ROOT}/.git")
  execute_process(COMMAND "${GIT_EXECUTABLE}" -c safe.directory=* -C "${ROOT}" ls-files
                  OUTPUT_VARIABLE files COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "[^\n]+" files "${files}")
  list(TRANSFORM files REPLACE "/.*" "")
  list(REMOVE_DUPLICATES files)
  list(FILTER files EXCLUDE REGEX
       "^(include|tests|examples|CMakeLists\\.txt|README\\.md|LICENSE|\\..*)$")
  if(files)
    message(SEND_ERROR "the top level has more than it should: ${files}")
  endif()
endif()

file(GLOB_RECURSE headers "${ROOT}/include/*" "${ROOT}/examples/*.hpp" "${ROOT}/tests/*.hpp")
foreach(header IN LISTS headers)
  file(STRINGS "${header}" pragma REGEX "^#pragma once$")
  if(NOT header MATCHES "\\.hpp$")
    message(SEND_ERROR "${header} is no header, and would not be installed")
  elseif(NOT pragma)
    message(SEND_ERROR "${header} has no #pragma once")
  endif()
endforeach()
