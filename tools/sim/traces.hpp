// Which traces a simulation replays: files of any format, or the workload that ships. Sweep and machine share it.
#pragma once

#include <kvstrata/simulate/readers/any_source.hpp>
#include <kvstrata/simulate/readers/open_trace.hpp>
#include <kvstrata/simulate/trace_notes.hpp>

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace sim {

struct trace_arguments
{
  std::vector<std::string> paths;  ///< empty: the synthetic workload
  std::string format = "auto";
  std::string stream = "session";     ///< of KuaiRand
  std::string columns;                ///< of a CSV: time,id,size,operation,count
  std::string id_kind = "number";     ///< of texts: number, hex or text
  std::string time_unit;              ///< s, ms, us or ns; empty: as the format has it
  std::string block_bytes = "1";      ///< of Mooncake's blocks
  std::string zero_sizes = "skip";    ///< requests of size 0: skip or serve
  std::vector<std::string> reads;     ///< of a CSV with operations: those that are requests; empty: the usual ones
  bool drop_duplicates = false;       ///< of KuaiRand's rows
  std::string token_bytes = "16384";  ///< of a user's token
  std::uint32_t users = 20'000;       ///< of the synthetic workload
  double days = 14;                   ///< of the synthetic workload
  double history_scale = 1;           ///< of the synthetic workload
  std::uint64_t seed = 1;             ///< of the synthetic workload
};

/// Adds the options that choose traces.
void add_trace_options(CLI::App& app, trace_arguments& t);

/// Throws kvstrata::config_error naming the option.
void check(const trace_arguments& t);

/// What the arguments name, with what people call each.
struct named_trace
{
  std::string name;
  std::string path;  ///< empty: the synthetic workload; "-": standard input
};
[[nodiscard]] std::vector<named_trace> list_traces(const trace_arguments& t);

/// Says what was left out of one, a line or more each, as its source noted it; of what has no notes, nothing.
void tell_notes(std::ostream& out, const kvstrata::trace_notes& notes);

/// Opens one, from its beginning. Throws kvstrata::data_error with file, record and reason.
[[nodiscard]] kvstrata::any_source open(const named_trace& which, const trace_arguments& t);

}  // namespace sim
