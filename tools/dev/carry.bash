# shellcheck shell=bash
# ./dev carry: third-party headers and libraries in one folder. Sourced by ./dev.

boost_headers() {  # every Boost header that ours can reach, whatever the compiler; relative to the folder $1
  local from=$1 found="" new
  new=$(grep -rhoE '^\s*#\s*include\s*<boost/[^>]+>' "$root"/{include,examples,models,tools,tests,bench} | sed 's/.*<//; s/>//' | sort -u)
  cd "$from"
  # MPL and Preprocessor, which Boost.MultiIndex stands on, name headers through macros: all of them.
  new+=$'\n'$(find boost/config boost/version.hpp boost/mpl boost/preprocessor -name '*.hpp' | sort)
  while [[ -n $new ]]; do
    found=$(printf '%s\n%s\n' "$found" "$new" | sort -u)
    new=$(printf '%s\n' "$new" | xargs grep -hoE '^\s*#\s*include\s*[<"]boost/[^>"]+' 2>/dev/null | sed 's/.*[<"]//' | sort -u)
    new=$(comm -13 <(printf '%s\n' "$found") <(printf '%s\n' "$new") | while read -r name; do [[ -f $name ]] && printf '%s\n' "$name"; done) || true
  done
  printf '%s\n' "$found" | sed '/^$/d'
}
command_carry() {
  local model=yes
  if [[ ${1:-} == --gpu ]]; then model=no; shift; fi
  if (( $# > 1 )) || [[ ${1:-} == -* ]]; then fail "./dev carry takes --gpu and one folder."; fi
  local to=${1:-$root/carried} from
  carried=""  # gather from the machine, not from what was gathered before
  need_toolchain
  need_catch
  if [[ $model == yes ]]; then need_model; like_uring; like_zstd; like_zlib; like_redis; else need_tools; fi
  install_missing carry
  (cd "$here" && mkdir -p "$to") || fail "the folder $to cannot be made."
  to=$(cd "$here" && cd "$to" && pwd)
  [[ -z $(ls -A "$to") || -e $to/README ]] || fail "$to holds files that ./dev carry did not put there; name an empty folder."
  rm -rf "${to:?}/include" "${to:?}/lib" "${to:?}/licenses" "${to:?}/README"
  mkdir -p "$to/include" "$to/lib/cmake" "$to/licenses"

  from=$(header_root boost/version.hpp)
  boost_headers "$from" | (cd "$from" && xargs cp --parents -t "$to/include")
  local boost
  boost=$(sed -n 's/^#define BOOST_LIB_VERSION "\([0-9]*\)_\([0-9]*\).*/\1.\2.0/p' "$from/boost/version.hpp")
  cmake_package Boost "$boost" "add_library(Boost::headers INTERFACE IMPORTED)
target_include_directories(Boost::headers SYSTEM INTERFACE \"\${prefix}/include\")"

  from=$(header_root catch2/catch_all.hpp catch2/catch.hpp)
  cp -RL "$from/catch2" "$to/include/"
  if [[ -e $from/catch2/catch_all.hpp ]]; then
    local library
    library=$(find "${from%/include}"/lib* -name libCatch2.a -print -quit)
    [[ -n $library ]] || fail "the headers of Catch2 3 lie in $from, but its libCatch2.a is not beside them."
    cp -L "$library" "$to/lib/"
    cmake_package Catch2 3.0.0 "add_library(Catch2::Catch2 STATIC IMPORTED)
set_target_properties(Catch2::Catch2 PROPERTIES IMPORTED_LOCATION \"\${prefix}/lib/libCatch2.a\")
target_include_directories(Catch2::Catch2 SYSTEM INTERFACE \"\${prefix}/include\")"
  else
    local catch2
    catch2=$(sed -n '/Catch v[0-9]/{s/.*Catch v\([0-9.]*\).*/\1/p;q}' "$from/catch2/catch.hpp")
    cmake_package Catch2 "$catch2" "add_library(Catch2::Catch2 INTERFACE IMPORTED)
target_include_directories(Catch2::Catch2 SYSTEM INTERFACE \"\${prefix}/include\")"
  fi

  cp -RL "$(header_root CLI/CLI.hpp)/CLI" "$(header_root nlohmann/json.hpp)/nlohmann" "$to/include/"
  if [[ $model == yes ]]; then
    from=$(header_root oneapi/dnnl/dnnl.hpp)
    cp -RL "$from/oneapi" "$to/include/"
    find "$from" -maxdepth 1 -name 'dnnl*' -exec cp -L {} "$to/include/" \;
    carry_library dnnl "$from"
    if from=$(header_root liburing.h); then
      cp -RL "$from/liburing.h" "$from/liburing" "$to/include/"
      carry_library uring "$from"
    fi
    if from=$(header_root zstd.h); then
      cp -L "$from/zstd.h" "$to/include/"
      find "$from" -maxdepth 1 -name 'zstd_errors.h' -exec cp -L {} "$to/include/" \;
      carry_library zstd "$from"
    fi
    if from=$(header_root zlib.h); then
      cp -L "$from/zlib.h" "$to/include/"
      find "$from" "${from%/include}/include" -path '*zconf.h' -exec cp -L {} "$to/include/" \; -quit
      carry_library z "$from"
    fi
    if from=$(header_root hiredis/hiredis.h); then
      cp -RL "$from/hiredis" "$to/include/"
      carry_library hiredis "$from"
    fi
  fi

  local doc
  for doc in libboost1.81-dev libboost-dev catch2 libcli11-dev nlohmann-json3-dev libdnnl2 libdnnl3 liburing2 libzstd1 zlib1g libhiredis0.14 ocl-icd-libopencl1; do
    if [[ -e /usr/share/doc/$doc/copyright ]]; then cp -L "/usr/share/doc/$doc/copyright" "$to/licenses/$doc"; fi
  done
  cat >"$to/README" <<'END'
Headers and libraries of others that kvstrata's programs and tests need, gathered by ./dev carry. A machine with a C++
compiler and CMake, but without a network, builds and tests kvstrata from it:

  ./dev test --carried DIR        (gathered with --gpu: ./dev gpu quick --prefix DIR)
  cmake -B build -DKVSTRATA_CARRIED=DIR && cmake --build build && ctest --test-dir build

Whether their licences let you pass them on is said in licenses/.
END
  say "Gathered $(find "$to" -type f | wc -l) files, $(du -sh "$to" | cut -f1), in $to."
  say "There: ./dev test --carried DIR, or cmake -B build -DKVSTRATA_CARRIED=DIR."
}
cmake_package() {  # name, version, targets: a package file of the gathered prefix
  mkdir -p "$to/lib/cmake/$1"
  # shellcheck disable=SC2016
  printf 'get_filename_component(prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)\nif(NOT TARGET %s)\n%s\nendif()\n' \
    "$(sed -n 's/^add_library(\([A-Za-z0-9:]*\).*/\1/p' <<<"$3")" "$3" >"$to/lib/cmake/$1/$1Config.cmake"
  printf 'set(PACKAGE_VERSION %s)\nif(NOT PACKAGE_VERSION VERSION_LESS PACKAGE_FIND_VERSION)\n  set(PACKAGE_VERSION_COMPATIBLE TRUE)\nendif()\n' \
    "$2" >"$to/lib/cmake/$1/$1ConfigVersion.cmake"
}
carry_library() {  # a shared library as the linker finds it, and what it needs beyond the C and C++ runtime
  local linked soname
  linked=$(printf 'int main() {}' | g++ -x c++ - -Wl,--no-as-needed "-l$1" -o "$to/lib/probe" && ldd "$to/lib/probe")
  rm -f "$to/lib/probe"
  while read -r soname _ file _; do
    case $soname in
      lib"$1".so*) cp -L "$file" "$to/lib/$soname"; ln -sf "$soname" "$to/lib/lib$1.so" ;;
      libOpenCL.so* | libgomp.so* | libtbb.so*) cp -L "$file" "$to/lib/$soname" ;;
    esac
  done < <(grep '=> /' <<<"$linked")
}
