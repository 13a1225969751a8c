# Conan 2 recipe of a header library. Its components are the CMake targets kvstrata::kvstrata, kvstrata::cuda,
# kvstrata::uring, kvstrata::zstd, kvstrata::zlib, kvstrata::redis, kvstrata::testing and kvstrata::sweep. docs/conan.md
import os
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load, save

required_conan_version = ">=2.0"


class KvstrataConan(ConanFile):
    name = "kvstrata"
    version = "0.2.0"
    description = "Hierarchical KV caches for generative recommendation"
    license = "Apache-2.0"
    topics = ("cache", "recommendation", "inference", "cuda", "header-only")
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"cuda": [True, False], "uring": [True, False], "zstd": [True, False], "zlib": [True, False],
               "redis": [True, False], "testing": [True, False], "sweep": [True, False]}
    default_options = {"cuda": False, "uring": False, "zstd": False, "zlib": False, "redis": False,
                       "testing": False, "sweep": False}
    exports_sources = "CMakeLists.txt", "cmake/*", "LICENSE", "include/*", "tests/*", "tools/command_line/*", \
        "tools/kvstrata_sweep/*", "tools/sim/*", "tools/replay/*"
    no_copy_source = True

    @property
    def _with_tests(self):
        return not self.conf.get("tools.build:skip_test", default=True, check_type=bool)

    def requirements(self):
        self.requires("boost/[>=1.81.0]", options={"header_only": True})
        if self.options.uring:
            self.requires("liburing/[>=2.3]")
        if self.options.zstd:
            self.requires("zstd/[>=1.5 <1.6]")
        if self.options.zlib:
            self.requires("zlib/[>=1.2.11 <2]")
        if self.options.redis:
            self.requires("hiredis/[>=0.14.1 <2]")
        if self.options.sweep:
            self.requires("cli11/[>=2.1 <3]")
            self.requires("nlohmann_json/[>=3.9 <4]")

    def build_requirements(self):
        if self._with_tests:
            self.test_requires("catch2/[>=2.13.10]")

    def validate(self):
        check_min_cppstd(self, 20)

    def layout(self):
        cmake_layout(self)

    def generate(self):
        if self._with_tests:
            CMakeDeps(self).generate()
            toolchain = CMakeToolchain(self)
            for part in "EXAMPLES", "MODELS", "TOOLS", "BENCH":
                toolchain.cache_variables[f"KVSTRATA_BUILD_{part}"] = False
            for component in "CUDA", "URING", "ZSTD", "ZLIB", "REDIS":
                toolchain.cache_variables[f"KVSTRATA_{component}"] = "OFF"
            toolchain.cache_variables["KVSTRATA_TEST_ROOMS"] = self.conf.get("user.kvstrata:test_rooms", default="core")
            toolchain.generate()

    def build(self):  # a header library needs none; with tools.build:skip_test=False its tests are built and run
        if self._with_tests:
            cmake = CMake(self)
            cmake.configure()
            cmake.build()
            cmake.ctest(["--no-tests=error", "--output-on-failure"])

    def package(self):
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        headers = os.path.join(self.source_folder, "include")
        copy(self, "*.hpp", headers, os.path.join(self.package_folder, "include"))
        if self.options.cuda:
            copy(self, "*.cuh", headers, os.path.join(self.package_folder, "include"))
        copy(self, "package_components.cmake", os.path.join(self.source_folder, "cmake"),
             os.path.join(self.package_folder, "cmake"))
        if self.options.testing:  # as cmake/testing.cmake does
            tests = os.path.join(self.source_folder, "tests")
            for suite in load(self, os.path.join(tests, "support", "suites.txt")).split():
                text = re.sub(r'#include "([a-z0-9_/]+\.hpp)"', r"#include <kvstrata_testing/\1>",
                              load(self, os.path.join(tests, suite)))
                save(self, os.path.join(self.package_folder, "include", "kvstrata_testing", suite), text)

        if self.options.sweep:  # as CMakeLists.txt does, by the same script
            include = os.path.join(self.package_folder, "include")
            script = os.path.join(self.source_folder, "cmake", "sweep_sources.cmake")
            self.run(f'cmake -D "SOURCE={self.source_folder}" -D "TO={include}" -P "{script}"')
            copy(self, "*.machine", os.path.join(self.source_folder, "tools", "sim", "machines"),
                 os.path.join(self.package_folder, "share", "kvstrata", "machines"))

    def package_id(self):
        self.info.settings.clear()

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "kvstrata")
        self.cpp_info.set_property("cmake_target_name", "kvstrata::all")  # kvstrata::kvstrata is the component alone
        self.cpp_info.set_property("cmake_config_version_compat", "SameMinorVersion")  # as the package of CMake
        self.cpp_info.set_property("cmake_build_modules", [os.path.join("cmake", "package_components.cmake")])
        main = self.cpp_info.components["kvstrata"]
        main.set_property("cmake_target_name", "kvstrata::kvstrata")
        main.bindirs = []
        main.libdirs = []
        # A Boost of the machine ([platform_requires] in a profile) is no package whose components could be named.
        packages = {dependency.ref.name for dependency in self.dependencies.host.values()}
        if "boost" in packages:
            main.requires = ["boost::headers"]
        if self.settings.os in ("Linux", "FreeBSD"):
            main.system_libs = ["pthread"]
        if self.options.cuda:  # the toolkit itself is the consumer's: link CUDA::cudart_static of find_package(CUDAToolkit)
            self._component("cuda")
        if self.options.testing:
            self._component("testing")
        if self.options.sweep:
            sweep = self._component("sweep")
            machines = os.path.join(self.package_folder, "share", "kvstrata", "machines")
            sweep.defines = [f'KVSTRATA_MACHINES="{machines}"']
            for package, component in (("cli11", "cli11"), ("nlohmann_json", "nlohmann_json")):
                if package in packages:
                    sweep.requires.append(f"{package}::{component}")
            for packing in "zstd", "zlib":  # of compressed traces
                if self.options.get_safe(packing):
                    sweep.requires.append(packing)
                    sweep.defines.append(f"KVSTRATA_SWEEP_HAS_{packing.upper()}")
        # Package, its component, and what a machine calls the library that has no such package.
        for name, package, component, library in (
            ("uring", "liburing", "liburing", "uring"),
            ("zstd", "zstd", "zstdlib", "zstd"),
            ("zlib", "zlib", "zlib", "z"),
            ("redis", "hiredis", "hiredis", "hiredis"),
        ):
            if not self.options.get_safe(name):
                continue
            added = self._component(name)
            if package in packages:
                added.requires.append(f"{package}::{component}")
            else:
                added.system_libs = [library]

    def _component(self, name):
        added = self.cpp_info.components[name]
        added.set_property("cmake_target_name", f"kvstrata::{name}")
        added.bindirs = []
        added.libdirs = []
        added.requires = ["kvstrata"]
        return added
