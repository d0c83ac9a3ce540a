# `cmake --build build --target reference` writes the API reference from the comments in the headers
# to build/reference/html. A public name without a comment is an error.
find_package(Doxygen 1.9.4 QUIET)
if(NOT DOXYGEN_FOUND)
  message(STATUS "gradtape: Doxygen not found, there is no target reference: apt-get install doxygen")
  return()
endif()

set(DOXYGEN_PROJECT_NAME gradtape)
set(DOXYGEN_PROJECT_BRIEF "${PROJECT_DESCRIPTION}")
set(DOXYGEN_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/reference")
set(DOXYGEN_STRIP_FROM_PATH "${PROJECT_SOURCE_DIR}/include")
set(DOXYGEN_STRIP_FROM_INC_PATH "${PROJECT_SOURCE_DIR}/include")
set(DOXYGEN_FILE_PATTERNS *.hpp)
set(DOXYGEN_USE_MDFILE_AS_MAINPAGE "${PROJECT_SOURCE_DIR}/tests/reference/reference.md")
set(DOXYGEN_EXAMPLE_PATH "${PROJECT_SOURCE_DIR}/tests")

# The engine is no part of it, nor is what Eigen asks of a number type.
set(DOXYGEN_EXCLUDE_SYMBOLS detail detail::* Eigen)
set(DOXYGEN_INPUT_FILTER "awk -f '${PROJECT_SOURCE_DIR}/.cmake/reference.awk'")
set(DOXYGEN_JAVADOC_AUTOBRIEF YES)
set(DOXYGEN_DISTRIBUTE_GROUP_DOC YES)
set(DOXYGEN_BUILTIN_STL_SUPPORT YES)
set(DOXYGEN_MACRO_EXPANSION YES)
set(DOXYGEN_SORT_MEMBER_DOCS NO)
set(DOXYGEN_SHOW_USED_FILES NO)
set(DOXYGEN_TOC_INCLUDE_HEADINGS 2)
set(DOXYGEN_CLASS_GRAPH NO)
set(DOXYGEN_HAVE_DOT NO)
set(DOXYGEN_GENERATE_LATEX NO)

# Parameters are named in the text where their names do not say enough.
set(DOXYGEN_WARN_IF_INCOMPLETE_DOC NO)
set(DOXYGEN_WARN_IF_UNDOCUMENTED YES)
set(DOXYGEN_WARN_AS_ERROR FAIL_ON_WARNINGS)
set(DOXYGEN_QUIET YES)

doxygen_add_docs(reference include/gradtape tests/reference/reference.md
                 COMMENT "API reference: ${DOXYGEN_OUTPUT_DIRECTORY}/html/index.html")
