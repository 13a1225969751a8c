// The frame of a benchmark on a GPU: its command line, the machine it runs on or the reason why there is none, and
// where its report goes.
#pragma once

#include "cuda_machine.hpp"
#include "emulated_machine.hpp"
#include "options.hpp"
#include "report.hpp"
#include "report_files.hpp"

#include "command_line/output_paths.hpp"
#include "command_line/standard_output.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/output_file.hpp>

#include <array>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <functional>
#include <iostream>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

namespace bench {

/// As it was called, less where its files went.
[[nodiscard]] inline std::string command_of(const std::string& program, int argc, const char* const* argv)
{
  std::string out = program;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word.starts_with("--json") || word.starts_with("--markdown")) {
      if (word.find('=') == std::string_view::npos) ++i;
      continue;
    }
    out += ' ';
    out += word;
  }
  return out;
}

[[nodiscard]] inline std::string today()
{
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  char out[32];
  gmtime_r(&now, &utc);
  std::strftime(out, sizeof out, "%Y-%m-%d %H:%M UTC", &utc);
  return out;
}

/// Calls body(machine, common options, report) and prints the report. Returns the exit code: 0 also where there is no
/// GPU, after a line "SKIPPED: ..."; 1 when the benchmark failed or its report could not be written; 2 after a wrong option.
template <class Body>
[[nodiscard]] int run_program(int argc, const char* const* argv, const std::string& name, const std::string& what,
                              const std::function<void(option_list&)>& more, common_options all, Body&& body)
{
  option_list options(name, what);
  options.add(all);
  if (more) more(options);
  if (const auto code = options.parse(argc, argv, std::cout, std::cerr)) {
    return tools::run_program([&code] { return *code; });
  }
  all.tiny = all.tiny || all.dry_run;
  report out{.program = name,
             .caveat = all.dry_run ? "emulated: not a measurement"
                       : all.tiny  ? "tiny sizes: not a measurement"
                                   : "",
             .facts = {},
             .tables = {},
             .records = {}};
  const auto run = [&](auto& m) {
    const report_files files(all.json, all.markdown);
    out.facts = m.facts();
    out.facts.emplace_back("date", today());
    out.facts.emplace_back("command", command_of(name, argc, argv));
    out.facts.emplace_back("rounds",
                           std::to_string(all.plan.rounds) + " at least; medians, with the lowest and the highest");
    out.finished = false;
    out.said = [&files](const report& r) { files.write(r); };
    body(m, std::as_const(all), out);
    out.finished = true;
    out.said = nullptr;
    write_text(std::cout, out);
    std::cout.flush();
    files.write(out);
    return 0;
  };
  // By default streams share 8 queues of the hardware, and one would wait for another that it has nothing to do with. It
  // is read by the first call of CUDA; what the user has set stands.
  static_cast<void>(setenv("CUDA_DEVICE_MAX_CONNECTIONS", "32", 0));
  return tools::run_program([&] {
    try {
      const std::array<tools::named_path, 2> outputs{{{"--json", all.json}, {"--markdown", all.markdown}}};
      tools::require_outputs(outputs, {});
      if (all.dry_run) {
        emulated_machine m;
        return run(m);
      }
      const std::string reason = why_no_gpu(all.gpu);
      if (!reason.empty()) {
        std::cout << "SKIPPED: " << name << " because " << reason << '\n';
        return 0;
      }
      cuda_machine m(all.gpu);
      return run(m);
    } catch (const kvstrata::config_error& e) {
      std::cerr << name << ": " << e.what() << ".\n";
      return 2;
    } catch (const std::exception& e) {
      std::cerr << name << ": " << e.what() << '\n';
      return 1;
    }
  });
}

}  // namespace bench
