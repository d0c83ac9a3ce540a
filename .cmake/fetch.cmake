include(FetchContent)

# Makes a package that the system lacks available at a pinned tag; the caller looks at
# <name>_POPULATED after FetchContent_GetProperties. The network is asked first, because a failed
# download inside FetchContent ends the configuration with a page of git's output instead of the one
# line that says what to install.
function(gradtape_fetch name repository tag)
  string(TOUPPER ${name} upper)
  set(reachable 0)
  if(NOT FETCHCONTENT_SOURCE_DIR_${upper} AND NOT EXISTS "${FETCHCONTENT_BASE_DIR}/${name}-src")
    execute_process(
      COMMAND "${CMAKE_COMMAND}" -E env GIT_TERMINAL_PROMPT=0
              git ls-remote --exit-code ${repository} refs/tags/${tag}
      RESULT_VARIABLE reachable TIMEOUT 30 OUTPUT_QUIET ERROR_QUIET)
  endif()
  if(reachable EQUAL 0)
    FetchContent_Declare(${name} GIT_REPOSITORY ${repository} GIT_TAG ${tag} GIT_SHALLOW ON ${ARGN})
    FetchContent_MakeAvailable(${name})
  endif()
endfunction()
