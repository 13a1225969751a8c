// kvstrata-sim size: how large the levels of a cache must be for some users, and how many users find room.
#include "sim/capacity.hpp"
#include "sim/commands.hpp"
#include "sim/option_adder.hpp"
#include "sim/size_run.hpp"
#include "sim/subcommand.hpp"
#include "sim/trace_inputs.hpp"
#include "sim/traces.hpp"

#include "command_line/json_text.hpp"
#include "command_line/machine_files.hpp"
#include "command_line/output_paths.hpp"
#include "replay/format.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/machine_file.hpp>
#include <kvstrata/simulate/output_file.hpp>
#include <kvstrata/simulate/printable_text.hpp>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <cstdint>
#include <iomanip>
#include <ostream>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace sim {
namespace {

constexpr std::string_view about =
    "Says how many bytes the slab, an arena and a store need to hold all users of a trace at once, and how many of "
    "them "
    "find room in a GiB. Arithmetic of layout and write policy: nothing is run.";

constexpr std::string_view examples = R"(
Examples:
  kvstrata-sim size --machine h200_pcie5
  kvstrata-sim size --layers 8 --kv-heads 4 --head-dim 128 --lengths 4096x100000,20480x2000
  kvstrata-sim size --machine h200_pcie5 --trace KuaiRand-1K --layout paged --shards 4 --csv sizes.csv
)";

struct size_options
{
  trace_arguments traces;
  std::string machine;
  std::uint32_t layers = 0, kv_heads = 0, head_dim = 0;
  std::string element = "bf16";
  std::vector<std::string> lengths;
  std::uint32_t event_tokens = 2;
  std::uint32_t longest = 40'960;
  size_question asked;
  std::string json, csv;
};

void add_options(CLI::App& app, size_options& o)
{
  add_trace_options(app, o.traces);
  const option_adder add{app};
  app.add_option(
         "--lengths", o.lengths,
         "instead of a trace: users' histories in tokens, such as 4096,20480x2000 for one user and two thousand")
      ->group("trace")
      ->delimiter(',')
      ->type_name("LIST")
      ->allow_extra_args(false);
  add.number("trace", "--seed", o.traces.seed, "of the synthetic workload");
  add.number("trace", "--event-tokens", o.event_tokens, "tokens that an event of the history is");
  add.number("trace", "--longest", o.longest, "tokens of a history; of a longer one only so many are kept");
  add.text("shape", "--machine", o.machine, "FILE", std::string(tools::machine_rule) + "; or the shape:");
  add.number("shape", "--layers", o.layers, "of the model");
  add.number("shape", "--kv-heads", o.kv_heads, "of a layer");
  add.number("shape", "--head-dim", o.head_dim, "elements of a head");
  add.text("shape", "--element", o.element, "NAME", "f32, f16, bf16, fp8_e4m3, fp8_e5m2, int8");
  add.text("cache", "--layout", o.asked.layout, "NAME", "hybrid, paged, contiguous");
  add.number("cache", "--page-tokens", o.asked.page_tokens, "tokens a page");
  add.number("cache", "--chunk", o.asked.chunk, "hybrid: the largest extent, in tokens");
  add.number("cache", "--range", o.asked.range, "contiguous: tokens reserved for each user; 0: the longest history");
  add.text("cache", "--writes", o.asked.writes, "NAME", "what comes down to the arena: token, page, chunk, back");
  add.number("cache", "--step", o.asked.step,
             "tokens by which histories grow from commit to commit; 0: each comes in one");
  add.number("cache", "--shards", o.asked.shards, "caches that users are divided among");
  add.number("cache", "--batch", o.asked.batch, "users of a batch, whose page table is told: the longest ones");
  add.text("results", "--csv", o.csv, "PATH", "a row for each level");
  add.text("results", "--json", o.json, "PATH", "everything");
}

kvstrata::geometry shape_of(const size_options& o)
{
  if (!o.machine.empty()) {
    if (o.layers != 0 || o.kv_heads != 0 || o.head_dim != 0) {
      throw kvstrata::config_error("--machine", "'" + o.machine + "'",
                                   "it says the shape: leave --layers, --kv-heads and --head-dim out");
    }
    return kvstrata::read_machine(o.machine).model.kv;
  }
  const auto given = [](const char* option, std::uint32_t value) {
    if (value == 0) {
      throw kvstrata::config_error(option, value,
                                   "a shape takes --machine, or all of --layers, --kv-heads and --head-dim");
    }
  };
  given("--layers", o.layers);
  given("--kv-heads", o.kv_heads);
  given("--head-dim", o.head_dim);
  kvstrata::geometry shape{.layers = o.layers, .kv_heads = o.kv_heads, .head_dim = o.head_dim};
  using enum kvstrata::element_type;
  for (const kvstrata::element_type type : {f32, f16, bf16, fp8_e4m3, fp8_e5m2, int8}) {
    if (name_of(type) != o.element) continue;
    shape.element = type;
    check(shape);
    return shape;
  }
  throw kvstrata::config_error("--element", "'" + o.element + "'",
                               "it must be f32, f16, bf16, fp8_e4m3, fp8_e5m2 or int8");
}

std::string as_gib(std::uint64_t bytes) { return replay::fixed(static_cast<double>(bytes) / 0x1p30, 3); }

double users_a_gib(const kvstrata::memory_need& m)
{
  return m.bytes == 0 ? 0 : static_cast<double>(m.users) * 0x1p30 / static_cast<double>(m.bytes);
}

void print(std::ostream& out, const std::string& name, const kvstrata::geometry& shape, const size_question& asked,
           const size_answer& a)
{
  const kvstrata::cache_need& need = a.need;
  const std::uint64_t token = shape.token_bytes();
  out << kvstrata::printable(name) << ": " << replay::with_commas(a.users) << " users of "
      << replay::with_commas(a.tokens) << " tokens, " << kvstrata::to_string(shape) << ", pages of "
      << asked.page_tokens << " tokens and " << replay::with_commas(token * asked.page_tokens) << " bytes";
  if (asked.shards > 1) out << ", " << asked.shards << " shards";
  out << "\n"
      << std::left << std::setw(14) << "level" << std::right << std::setw(14) << "users" << std::setw(14) << "pages"
      << std::setw(22) << "bytes" << std::setw(13) << "GiB" << std::setw(13) << "users/GiB" << std::setw(9) << "filled"
      << '\n';
  for (kvstrata::level_index i = 0; i < need.depth; ++i) {
    const kvstrata::memory_need& m = need.levels[i];
    const double filled = m.bytes == 0 ? 0 : static_cast<double>(m.tokens * token) / static_cast<double>(m.bytes);
    out << std::left << std::setw(14) << level_names[i] << std::right << std::setw(14) << replay::with_commas(m.users)
        << std::setw(14) << replay::with_commas(m.frames) << std::setw(22) << replay::with_commas(m.bytes)
        << std::setw(13) << as_gib(m.bytes) << std::setw(13) << replay::fixed(users_a_gib(m), 1) << std::setw(9)
        << replay::percent(filled) << '\n';
  }
  const kvstrata::books_need& b = need.books;
  out << "books: " << replay::with_commas(b.bytes()) << " bytes of host memory (entries "
      << replay::with_commas(b.entries) << ", their index " << replay::with_commas(b.index)
      << ", hot records of all in the slab " << replay::with_commas(b.hot_records) << ", extents "
      << replay::with_commas(b.extents) << ", free frames " << replay::with_commas(b.frames) << "); page table of the "
      << asked.batch << " longest: " << replay::with_commas(a.page_table_bytes) << " bytes\n\n";
}

nlohmann::ordered_json as_json(const std::string& name, const kvstrata::geometry& shape, const size_question& asked,
                               const size_answer& a)
{
  auto levels = nlohmann::ordered_json::array();
  for (kvstrata::level_index i = 0; i < a.need.depth; ++i) {
    const kvstrata::memory_need& m = a.need.levels[i];
    levels.push_back({{"name", level_names[i]},
                      {"users", m.users},
                      {"tokens", m.tokens},
                      {"pages", m.frames},
                      {"bytes", m.bytes},
                      {"users_per_gib", users_a_gib(m)}});
  }
  const kvstrata::books_need& b = a.need.books;
  return {{"trace", name},
          {"layers", shape.layers},
          {"kv_heads", shape.kv_heads},
          {"head_dim", shape.head_dim},
          {"element", std::string(name_of(shape.element))},
          {"layout", asked.layout},
          {"page_tokens", asked.page_tokens},
          {"writes", asked.writes},
          {"step", asked.step},
          {"shards", asked.shards},
          {"users", a.users},
          {"tokens", a.tokens},
          {"levels", std::move(levels)},
          {"books",
           {{"bytes", b.bytes()},
            {"entries", b.entries},
            {"index", b.index},
            {"hot_records", b.hot_records},
            {"extents", b.extents},
            {"free_frames", b.frames}}},
          {"batch", asked.batch},
          {"page_table_bytes", a.page_table_bytes}};
}

std::string quoted(const std::string& text)
{
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

void run(const size_options& o, std::ostream& out)
{
  const std::vector<tools::named_path> outputs{{"--csv", o.csv}, {"--json", o.json}};
  tools::require_outputs(outputs, with_traces({{"--machine", o.machine}}, o.traces));
  const kvstrata::geometry shape = shape_of(o);
  auto results = nlohmann::ordered_json::array();
  std::ostringstream rows;
  rows << "trace,level,users,tokens,pages,bytes,users_per_gib\n";
  const auto answer_for = [&](const std::string& name, const std::vector<kvstrata::user_history>& users) {
    const size_answer a = answer(shape, o.asked, users);
    print(out, name, shape, o.asked, a);
    results.push_back(as_json(name, shape, o.asked, a));
    for (kvstrata::level_index i = 0; i < a.need.depth; ++i) {
      const kvstrata::memory_need& m = a.need.levels[i];
      rows << quoted(name) << ',' << level_names[i] << ',' << m.users << ',' << m.tokens << ',' << m.frames << ','
           << m.bytes << ',' << replay::fixed(users_a_gib(m), 3) << '\n';
    }
  };
  if (!o.lengths.empty()) {
    answer_for("lengths", read_lengths(o.lengths));
  } else {
    for (const named_trace& one : list_traces(o.traces)) {
      kvstrata::any_source source = open(one, o.traces);
      answer_for(one.name, read_histories(source, o.event_tokens, o.longest));
      tell_notes(out, source.notes());
    }
  }
  if (!o.csv.empty()) kvstrata::write_file(o.csv, rows.str());
  if (!o.json.empty()) kvstrata::write_file(o.json, tools::json_text(results) + "\n");
}

void check(const size_options& o)
{
  if (o.lengths.empty()) check(o.traces);
  else if (!o.traces.paths.empty()) {
    throw kvstrata::config_error("--lengths", "given", "--trace is given, too: users come from one of them");
  }
  if (o.event_tokens == 0) throw kvstrata::config_error("--event-tokens", o.event_tokens, "it must be at least 1");
  if (o.longest == 0) throw kvstrata::config_error("--longest", o.longest, "it must be at least 1");
  check(o.asked);
}

}  // namespace

int size_command(int count, const char* const* arguments, std::ostream& out, std::ostream& err)
{
  size_options o;
  const subcommand size{"kvstrata-sim size", about, examples, "that; ask for less"};
  return size(
      count, arguments, out, err, [&o](CLI::App& app) { add_options(app, o); },
      [&](const CLI::App&) {
        o.machine = tools::machine_path(o.machine);
        check(o);
        run(o, out);
      });
}

}  // namespace sim
