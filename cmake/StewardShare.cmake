# steward_share(NAME FOLDER): makes the folder of the sources reachable as share/steward/NAME of the build tree, where an installation has it.
function(steward_share name folder)
    set(share ${CMAKE_BINARY_DIR}/share/steward)
    file(MAKE_DIRECTORY ${share})
    file(REAL_PATH ${share} real_share)
    file(REAL_PATH ${folder} real_folder)
    file(RELATIVE_PATH target ${real_share} ${real_folder})
    file(CREATE_LINK ${target} ${share}/${name} SYMBOLIC)
endfunction()
