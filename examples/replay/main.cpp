// replay: serves a stream of recommendation requests from several caches in one run and compares them.
// Exit code 0: done; 1: a score differed from recomputation, or the run could not be finished; 2: a bad argument.
#include "replay/json.hpp"
#include "replay/options.hpp"
#include "replay/progress.hpp"
#include "replay/report.hpp"
#include "replay/run.hpp"
#include "replay/sentences.hpp"
#include "replay/table.hpp"
#include "replay/write_file.hpp"

#include <kvstrata/core/error.hpp>

#include <exception>
#include <iostream>
#include <new>
#include <optional>
#include <string>

int main(int argc, char** argv)
{
  replay::options o;
  if (const std::optional<int> code = replay::parse(argc, argv, o, std::cout, std::cerr)) return *code;
  try {
    for (const std::string& path : {o.json, o.report, o.timeline}) {
      if (!path.empty()) replay::require_writable(path);
    }
    using kind = replay::progress::kind;
    replay::progress shown(std::cerr, o.quiet ? kind::silent : replay::stderr_is_terminal() ? kind::bar : kind::lines);
    const replay::results r = replay::run(o, shown);
    if (!o.quiet) std::cerr << '\n';
    std::cout << (o.quiet ? replay::table(r) : replay::summary(r)) << std::flush;
    if (!o.json.empty()) replay::write_json(r, o.json);
    if (!o.report.empty()) replay::write_report(r, o.report);
    if (!o.report.empty() && !o.quiet) std::cout << "- The report is in " << o.report << ".\n";
    if (!o.timeline.empty() && !o.quiet)
      std::cout << "- The timeline is in " << o.timeline << ", for ui.perfetto.dev.\n";
    if (r.verified && r.verified->mismatches != 0) {
      if (o.quiet) std::cerr << "error: " << replay::verdict(r) << '\n';
      return 1;
    }
    return 0;
  } catch (const kvstrata::config_error& e) {
    std::cerr << "error: " << e.what() << ".\n";
    return 2;
  } catch (const std::bad_alloc&) {
    std::cerr << "error: this machine has not the memory for that many users, requests or tokens; ask for fewer\n";
    return 1;
  } catch (const std::exception& e) {
    std::cerr << "error: " << e.what() << '\n';
    return 1;
  }
}
