#include "sim/traces.hpp"

#include "sim/capacity.hpp"
#include "sim/unpack.hpp"

#include "replay/number_fault.hpp"
#include "replay/wrap.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/printable_text.hpp>
#include <kvstrata/simulate/readers/requests.hpp>
#include <kvstrata/simulate/trace_remarks.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <ostream>
#include <string_view>
#include <utility>

namespace sim {
namespace {

using kvstrata::trace_format;

std::string format_names()
{
  std::string out = "auto";
  for (const trace_format one : kvstrata::trace_formats) out += ", " + std::string(name_of(one));
  return out;
}

trace_format format_named(const std::string& name)
{
  if (name == "auto") return trace_format::by_name;
  for (const trace_format one : kvstrata::trace_formats) {
    if (name_of(one) == name) return one;
  }
  throw kvstrata::config_error("--format", "'" + name + "'", "it must be one of " + format_names());
}

kvstrata::request_stream stream_named(const std::string& name)
{
  for (const auto one :
       {kvstrata::request_stream::interaction, kvstrata::request_stream::session, kvstrata::request_stream::window}) {
    if (name_of(one) == name) return one;
  }
  throw kvstrata::config_error("--stream", "'" + name + "'", "it must be session, interaction or window");
}

kvstrata::csv_options columns_of(const std::string& text)
{
  kvstrata::csv_options csv;
  if (text.empty()) return csv;
  std::array<std::string*, 5> fields{&csv.time, &csv.id, &csv.size, &csv.operation, &csv.count};
  std::size_t field = 0;
  for (const char c : text) {
    if (c != ',') {
      fields[field]->push_back(c);
    } else if (++field == fields.size()) {
      throw kvstrata::config_error("--columns", "'" + text + "'",
                                   "it names at most five columns: time,id,size,operation,count");
    }
  }
  for (std::string* one : fields) {
    if (one->empty()) *one = "0";
  }
  if (csv.id == "0") {
    throw kvstrata::config_error("--columns", "'" + text + "'", "the second column, which object it is, must be named");
  }
  return csv;
}

kvstrata::id_kind id_kind_named(const std::string& name)
{
  if (name == "number") return kvstrata::id_kind::number;
  if (name == "hex") return kvstrata::id_kind::hex;
  if (name == "text") return kvstrata::id_kind::text;
  throw kvstrata::config_error("--id-kind", "'" + name + "'", "it must be number, hex or text");
}

std::optional<double> ms_of(const std::string& unit)
{
  if (unit.empty()) return std::nullopt;
  const double ms = kvstrata::ms_of_unit(unit);
  if (ms == 0) throw kvstrata::config_error("--time-unit", "'" + unit + "'", "it must be s, ms, us or ns");
  return ms;
}

kvstrata::zero_sizes zero_sizes_named(const std::string& name)
{
  if (name == "skip") return kvstrata::zero_sizes::skip;
  if (name == "serve") return kvstrata::zero_sizes::serve;
  throw kvstrata::config_error("--zero-sizes", "'" + name + "'", "it must be skip or serve");
}

kvstrata::trace_options options_of(const trace_arguments& t)
{
  const kvstrata::id_kind ids = id_kind_named(t.id_kind);
  const std::optional<double> ms = ms_of(t.time_unit);
  kvstrata::trace_options out{.format = format_named(t.format),
                              .csv = columns_of(t.columns),
                              .mooncake = {.block_bytes = read_bytes("--block-bytes", t.block_bytes), .ids = ids},
                              .kuairand = {.requests = {.stream = stream_named(t.stream)},
                                           .requests_from_ms = {},
                                           .seed = t.seed,
                                           .drop_repeated = t.drop_duplicates},
                              .token_bytes = read_bytes("--token-bytes", t.token_bytes),
                              .ids = ids,
                              .zeros = zero_sizes_named(t.zero_sizes),
                              .unpack = &unpack};
  out.csv.ids = ids;
  out.csv.reads = t.reads;
  if (ms) {
    out.csv.ms_per_time = *ms;
    out.mooncake.ms_per_time = *ms;
    out.kuairand.ms_per_time = *ms;
    out.oracle_ms_per_time = *ms;
  }
  return out;
}

kvstrata::synthetic_config synthetic_of(const trace_arguments& t)
{
  return {.users = t.users, .days = t.days, .history_scale = t.history_scale, .seed = t.seed};
}

}  // namespace

void add_trace_options(CLI::App& app, trace_arguments& t)
{
  app.add_option("--trace", t.paths,
                 "a trace, may be given several times: a file of libCacheSim (oracleGeneral, CSV), ARC (.lis), LIRS "
                 "(.txt), cache2k (.trc.bin, .i32be), Mooncake (.jsonl), or a folder or log of KuaiRand; - is standard "
                 "input, with --format. " +
                     (unpacked_names().empty() ? "This program unpacks no compressed ones. "
                                               : "Also compressed: " + unpacked_names() + ". ") +
                     "Without it a synthetic workload of recommendation users is made. docs/traces.md has the formats")
      ->group("trace")
      ->type_name("PATH")
      ->check(&replay::text_fault, "")
      ->allow_extra_args(false);
  app.add_option("--format", t.format, "of the traces where their names do not tell: " + format_names())
      ->group("trace")
      ->type_name("NAME")
      ->capture_default_str();
  app.add_option("--columns", t.columns,
                 "of a CSV: which are time,id,size,operation,count, by name or number from 1; an empty one is none. Of "
                 "operations only reads are requests; a count repeats one. Without it the header decides")
      ->group("trace")
      ->type_name("T,I,S,O,C");
  app.add_option("--id-kind", t.id_kind,
                 "of a CSV, of LIRS's blocks and Mooncake's hash_ids: number (64 bits, signed or not), hex, or text")
      ->group("trace")
      ->type_name("KIND")
      ->capture_default_str();
  app.add_option(
         "--time-unit", t.time_unit,
         "of the trace's times: s, ms, us or ns. Without it that of the format: seconds of oracleGeneral and CSV "
         "(whose header may say _ms), ms of the others")
      ->group("trace")
      ->check(&replay::text_fault, "")
      ->type_name("UNIT");
  app.add_option("--zero-sizes", t.zero_sizes,
                 "requests of size 0: skip (they are counted and said), or serve (each takes one byte)")
      ->group("trace")
      ->type_name("HOW")
      ->capture_default_str();
  app.add_option("--reads", t.reads,
                 "of a CSV with operations: those that are reads, where they have unusual names (usual: get, read)")
      ->group("trace")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("LIST");
  app.add_option("--block-bytes", t.block_bytes, "of Mooncake's blocks, which tell no size")
      ->group("trace")
      ->type_name("BYTES")
      ->capture_default_str();
  app.add_option("--stream", t.stream,
                 "of KuaiRand, what is a request: session (a user returns after more than 30 minutes), interaction "
                 "(every event), window (the first in each minute)")
      ->group("trace")
      ->type_name("NAME")
      ->capture_default_str();
  app.add_flag("--drop-duplicates", t.drop_duplicates,
               "of KuaiRand: leave out rows that repeat another of the same user, time, item and feedback")
      ->group("trace");
  app.add_option("--token-bytes", t.token_bytes,
                 "where objects are users: bytes of keys and values for each token of their history")
      ->group("trace")
      ->type_name("BYTES")
      ->capture_default_str();
  app.add_option("--users", t.users, "of the synthetic workload")
      ->group("trace")
      ->check(&replay::number_fault<std::uint32_t>, "")
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--days", t.days, "of the synthetic workload")
      ->group("trace")
      ->check(&replay::number_fault<double>, "")
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--history-scale", t.history_scale, "of the synthetic workload: all histories so many times as long")
      ->group("trace")
      ->check(&replay::number_fault<double>, "")
      ->type_name("N")
      ->capture_default_str();
}

void check(const trace_arguments& t)
{
  static_cast<void>(options_of(t));
  if (t.paths.empty()) kvstrata::check(synthetic_of(t));
  if (std::count(t.paths.begin(), t.paths.end(), "-") > 1) {
    throw kvstrata::config_error("--trace", "'-' twice", "standard input can be read once");
  }
}

std::vector<named_trace> list_traces(const trace_arguments& t)
{
  if (t.paths.empty()) return {{"synthetic", ""}};
  std::vector<named_trace> out;
  for (const std::string& path : t.paths) {
    std::string name = std::filesystem::path(path).lexically_normal().filename().string();
    if (name.empty()) name = std::filesystem::path(path).lexically_normal().parent_path().filename().string();
    if (path == "-") name = "standard input";
    out.push_back({kvstrata::valid_text(name), path});
  }
  return out;
}

void tell_notes(std::ostream& out, const kvstrata::trace_notes& notes)
{
  for (const std::string& sentence : kvstrata::trace_remarks({}, notes)) {
    std::string_view mark = "- ";
    for (const std::string& line : replay::wrap(sentence, 108)) out << std::exchange(mark, "  ") << line << '\n';
  }
}

kvstrata::any_source open(const named_trace& which, const trace_arguments& t)
{
  const kvstrata::trace_options options = options_of(t);
  if (which.path.empty()) return kvstrata::synthetic_accesses(synthetic_of(t), options.token_bytes);
  return kvstrata::open_trace(which.path, options);
}

}  // namespace sim
