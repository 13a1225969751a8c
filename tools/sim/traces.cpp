#include "sim/traces.hpp"

#include "sim/capacity.hpp"

#include "replay/number_fault.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/readers/requests.hpp>

#include <CLI/CLI.hpp>

#include <array>
#include <filesystem>
#include <string_view>
#include <utility>

namespace sim {
namespace {

using kvstrata::trace_format;

constexpr std::array formats{trace_format::oracle_general, trace_format::csv,     trace_format::arc_lis,
                             trace_format::lirs_blocks,    trace_format::cache2k, trace_format::mooncake,
                             trace_format::kuairand};

std::string format_names()
{
  std::string out = "auto";
  for (const trace_format one : formats) out += ", " + std::string(name_of(one));
  return out;
}

trace_format format_named(const std::string& name)
{
  if (name == "auto") return trace_format::by_name;
  for (const trace_format one : formats) {
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
  std::array<std::string*, 3> fields{&csv.time, &csv.id, &csv.size};
  std::size_t field = 0;
  for (const char c : text) {
    if (c != ',') {
      fields[field]->push_back(c);
    } else if (++field == fields.size()) {
      throw kvstrata::config_error("--columns", "'" + text + "'", "it names at most three columns: time,id,size");
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

kvstrata::trace_options options_of(const trace_arguments& t)
{
  return {.format = format_named(t.format),
          .csv = columns_of(t.columns),
          .mooncake = {},
          .kuairand = {.requests = {.stream = stream_named(t.stream)}, .requests_from_ms = {}, .seed = t.seed},
          .token_bytes = read_bytes("--token-bytes", t.token_bytes)};
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
                 "(.txt), cache2k (.trc.bin, .i32be), Mooncake (.jsonl), or a folder or log of KuaiRand. Without it a "
                 "synthetic workload of recommendation users is made")
      ->group("trace")
      ->type_name("PATH")
      ->check(&replay::text_fault, "")
      ->allow_extra_args(false);
  app.add_option("--format", t.format, "of the traces where their names do not tell: " + format_names())
      ->group("trace")
      ->type_name("NAME")
      ->capture_default_str();
  app.add_option("--columns", t.columns,
                 "of a CSV: which are time,id,size, by name or number from 1; an empty one is none. Without it the "
                 "header decides")
      ->group("trace")
      ->type_name("T,I,S");
  app.add_option("--stream", t.stream,
                 "of KuaiRand, what is a request: session (a user returns after more than 30 minutes), interaction "
                 "(every event), window (the first in each minute)")
      ->group("trace")
      ->type_name("NAME")
      ->capture_default_str();
  app.add_option("--token-bytes", t.token_bytes,
                 "where objects are users: bytes of keys and values for each token of their history")
      ->group("trace")
      ->type_name("BYTES")
      ->capture_default_str();
  app.add_option("--users", t.users, "of the synthetic workload")
      ->group("trace")
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--days", t.days, "of the synthetic workload")->group("trace")->type_name("N")->capture_default_str();
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
}

std::vector<named_trace> list_traces(const trace_arguments& t)
{
  if (t.paths.empty()) return {{"synthetic", ""}};
  std::vector<named_trace> out;
  for (const std::string& path : t.paths) {
    std::string name = std::filesystem::path(path).lexically_normal().filename().string();
    if (name.empty()) name = std::filesystem::path(path).lexically_normal().parent_path().filename().string();
    out.push_back({std::move(name), path});
  }
  return out;
}

kvstrata::any_source open(const named_trace& which, const trace_arguments& t)
{
  const kvstrata::trace_options options = options_of(t);
  if (which.path.empty()) return kvstrata::synthetic_accesses(synthetic_of(t), options.token_bytes);
  return kvstrata::open_trace(which.path, options);
}

}  // namespace sim
