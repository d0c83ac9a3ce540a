include(CMakePackageConfigHelpers)

# Headers only: nothing here depends on the architecture, so all of it goes below share/.
set(package_dir "${CMAKE_INSTALL_DATADIR}/cmake/gradtape")
set(pkgconfig_dir "${CMAKE_INSTALL_DATADIR}/pkgconfig")

file(CONFIGURE OUTPUT gradtapeConfig.cmake @ONLY CONTENT [[
include(CMakeFindDependencyMacro)
find_dependency(Eigen3 CONFIG)
if(Eigen3_VERSION AND Eigen3_VERSION VERSION_LESS 3.4)
  set(gradtape_FOUND FALSE)
  set(gradtape_NOT_FOUND_MESSAGE "it needs Eigen 3.4 or newer, ${Eigen3_DIR} is ${Eigen3_VERSION}")
  return()
endif()
include("${CMAKE_CURRENT_LIST_DIR}/gradtapeTargets.cmake")
find_package(nlohmann_json 3.9 CONFIG QUIET)
if(nlohmann_json_FOUND)
  target_link_libraries(gradtape::gradtape INTERFACE nlohmann_json::nlohmann_json)
endif()
]])
write_basic_package_version_file(gradtapeConfigVersion.cmake
  COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)

# The prefix is relative to the file, so that the installed tree can be moved.
file(RELATIVE_PATH to_prefix "${CMAKE_INSTALL_PREFIX}/${pkgconfig_dir}" "${CMAKE_INSTALL_PREFIX}")
file(CONFIGURE OUTPUT gradtape.pc @ONLY CONTENT [[
prefix=${pcfiledir}/@to_prefix@
includedir=${prefix}/@CMAKE_INSTALL_INCLUDEDIR@

Name: gradtape
Description: @PROJECT_DESCRIPTION@
Version: @PROJECT_VERSION@
Requires: eigen3 >= 3.4
Cflags: -I${includedir}
]])

install(DIRECTORY include/gradtape DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
        FILES_MATCHING PATTERN "*.hpp")
install(TARGETS gradtape EXPORT gradtapeTargets)
install(EXPORT gradtapeTargets NAMESPACE gradtape:: DESTINATION "${package_dir}")
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/gradtapeConfig.cmake"
              "${CMAKE_CURRENT_BINARY_DIR}/gradtapeConfigVersion.cmake"
        DESTINATION "${package_dir}")
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/gradtape.pc" DESTINATION "${pkgconfig_dir}")
