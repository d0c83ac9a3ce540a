# Builds and runs the consumer in the fresh directory WORK, either as a CMake project with the
# arguments CONFIGURE or with the compiler command COMPILE from SOURCES, without which it has two with
# every header in them. INSTALL is a build directory to install into WORK/prefix first.
cmake_minimum_required(VERSION 3.22)

file(REMOVE_RECURSE "${WORK}")
file(MAKE_DIRECTORY "${WORK}/build")

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()

if(INSTALL)
  run("${CMAKE_COMMAND}" --install "${INSTALL}" --prefix "${WORK}/prefix")
endif()

if(PKG_CONFIG)
  set(ENV{PKG_CONFIG_PATH} "${WORK}/${PKG_CONFIG_PATH}")
  execute_process(COMMAND "${PKG_CONFIG}" --cflags gradtape
                  OUTPUT_VARIABLE flags COMMAND_ERROR_IS_FATAL ANY)
  separate_arguments(flags UNIX_COMMAND "${flags}")
  list(APPEND COMPILE ${flags})
endif()

if(COMPILE)
  if(NOT SOURCES)
    set(SOURCES main.cpp second.cpp)
  endif()
  list(TRANSFORM SOURCES PREPEND "${CMAKE_CURRENT_LIST_DIR}/")
  run(${COMPILE} ${SOURCES} -o "${WORK}/build/consumer")
else()
  run("${CMAKE_COMMAND}" ${CONFIGURE} -B "${WORK}/build")
  run("${CMAKE_COMMAND}" --build "${WORK}/build")
endif()
run("${WORK}/build/consumer")
