// The same layers in PyTorch, eager (torch_layers.py), where a Python has it.
#pragma once

#include "support/model/cost.hpp"
#include "support/model/shapes.hpp"

#include "command_line/source_dir.hpp"

#include <cstdio>
#include <map>
#include <sstream>
#include <string>

namespace bench {

/// What a pass costs by precision ("f32", "bf16"); empty where it cannot run.
inline std::map<std::string, cost> torch_costs(const std::string& python, const shape& s, std::size_t threads)
{
  std::ostringstream command;
  command << "OMP_WAIT_POLICY=passive '" << python << "' '"
          << (tools::source_dir() / "bench/support/model/torch_layers.py").string() << "' " << s.layers << ' '
          << s.hidden << ' ' << s.heads << ' ' << s.head_dim << ' ' << s.users << ' ' << s.tokens << ' ' << s.candidates
          << ' ' << threads << " 2>/dev/null";
  std::map<std::string, cost> out;
  std::FILE* const pipe = ::popen(command.str().c_str(), "r");
  if (pipe == nullptr) return out;
  std::array<char, 256> line{};
  while (std::fgets(line.data(), line.size(), pipe) != nullptr) {
    std::istringstream words(line.data());
    std::string precision;
    cost one;
    if (words >> precision >> one.processor >> one.wall) out[precision] = one;
  }
  ::pclose(pipe);
  return out;
}

}  // namespace bench
