# Trains the language model for a moment and saves it; another process loads it and must report the
# same losses. A third goes on training.
set(options --sample 0 --kneser-ney 1)
set(file "${DIRECTORY}/check_saved.safetensors")

function(run report)
  execute_process(COMMAND "${PROGRAM}" ${options} ${ARGN} --report "${DIRECTORY}/${report}.csv"
    RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(result)
    message(FATAL_ERROR "${PROGRAM} ${options} ${ARGN}: ${result}\n${output}")
  endif()
  file(STRINGS "${DIRECTORY}/${report}.csv" lines REGEX "_loss,")
  set(${report} "${lines}" PARENT_SCOPE)
endfunction()

run(trained --steps 900 --save "${file}")
run(loaded --steps 900 --resume "${file}")
if(NOT trained STREQUAL loaded)
  message(FATAL_ERROR "saved: ${trained}\nloaded: ${loaded}")
endif()
run(continued --steps 1000 --resume "${file}" --learning-rate 0.002)
if(continued STREQUAL loaded)
  message(FATAL_ERROR "nothing was learned after loading: ${continued}")
endif()

# Fewer steps than evaluations end as well, if without success.
execute_process(COMMAND "${PROGRAM}" ${options} --steps 7 TIMEOUT 60 RESULT_VARIABLE result
  OUTPUT_QUIET ERROR_QUIET)
if(NOT result EQUAL 1)
  message(FATAL_ERROR "--steps 7: ${result}")
endif()
