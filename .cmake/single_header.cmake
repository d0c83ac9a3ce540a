# Writes HEADER and all that it includes from this library to one file, OUTPUT: for an online
# compiler, or a program that wants one file to copy. What is included with <> stays an include.
cmake_minimum_required(VERSION 3.22)

set_property(GLOBAL PROPERTY written "#pragma once\n")

# Appends `header` to `written`, unless it is there already: its includes first where they stand.
function(write_once header)
  get_property(seen GLOBAL PROPERTY seen)
  if(header IN_LIST seen)
    return()
  endif()
  set_property(GLOBAL APPEND PROPERTY seen "${header}")
  file(READ "${header}" rest)
  string(REGEX REPLACE "^#pragma once\n" "\n" rest "${rest}")
  cmake_path(GET header PARENT_PATH directory)
  while(rest MATCHES "\n#include \"([^\"\n]+)\"")
    cmake_path(ABSOLUTE_PATH CMAKE_MATCH_1 BASE_DIRECTORY "${directory}" NORMALIZE
               OUTPUT_VARIABLE included)
    string(FIND "${rest}" "${CMAKE_MATCH_0}" begin)
    string(LENGTH "${CMAKE_MATCH_0}" length)
    string(SUBSTRING "${rest}" 0 ${begin} before)
    set_property(GLOBAL APPEND_STRING PROPERTY written "${before}\n")
    write_once("${included}")
    math(EXPR begin "${begin} + ${length}")
    string(SUBSTRING "${rest}" ${begin} -1 rest)
  endwhile()
  set_property(GLOBAL APPEND_STRING PROPERTY written "${rest}")
endfunction()

write_once("${HEADER}")
get_property(written GLOBAL PROPERTY written)
file(WRITE "${OUTPUT}" "${written}")
