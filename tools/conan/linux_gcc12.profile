# Linux, g++ 12, release; Boost and the libraries of components from a remote. conan create . -pr:a tools/conan/linux_gcc12.profile
[settings]
os=Linux
arch=x86_64
build_type=Release
compiler=gcc
compiler.version=12
compiler.libcxx=libstdc++11
compiler.cppstd=20
