// The subject compiled against another checkout, with the compiler and the options that this one was compiled with.
#pragma once

#include "children.hpp"
#include "command_line/source_dir.hpp"

#include <filesystem>
#include <stdexcept>
#include <string>

namespace levels {

/// Compiles it into `program`, through the first adapter that fits. Throws with the compiler's words when none does.
inline void compile_baseline(const std::filesystem::path& checkout, const std::filesystem::path& program)
{
  const std::filesystem::path headers = checkout / "include";
  if (!std::filesystem::exists(headers / "kvstrata")) {
    throw std::runtime_error("--baseline names " + checkout.string() + ", but there is no include/kvstrata in it");
  }
  const std::string here = (tools::source_dir() / "bench/support/levels").string();
  std::string said;
  for (const char* const adapter : {"adapter_5a85be3.hpp", "adapter_now.hpp"}) {
    const outcome out =
        run(KVSTRATA_COMPILER " -std=c++20 " KVSTRATA_COMPILER_FLAGS " -O3 -DNDEBUG -I" + quoted(headers.string()) +
            " -D" + quoted("KVSTRATA_LEVELS_ADAPTER=\"" + std::string(adapter) + "\"") + " " +
            quoted(here + "/subject.cpp") + " -o " + quoted(program.string()) + " -lpthread");
    if (out.status == 0) return;
    said += out.said;
  }
  throw std::runtime_error("the subject does not compile against " + checkout.string() + ":\n" + said);
}

}  // namespace levels
