#include "store/command.hpp"

#include "command_line/output_paths.hpp"
#include "command_line/parse_arguments.hpp"
#include "command_line/run_command.hpp"
#include "replay/number_fault.hpp"
#include "store/bodies.hpp"
#include "store/compact.hpp"
#include "store/show.hpp"
#include "store/store_file.hpp"

#include <kvstrata/core/error.hpp>

#include <CLI/CLI.hpp>

#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace store_tool {
namespace {

constexpr std::string_view about =
    "Shows the store that an nvme_file keeps: its geometry, its regions and records, and what opening it would find. "
    "The "
    "files are read only, never written; a store that is in use is refused, and none can open them meanwhile.";

constexpr std::string_view footer = R"(
Ends with 0 where all is well, with 1 where something is wrong with the store or it cannot be read, with 2 for a command
line that makes no sense. Records that a crash tore before they were durable are nothing wrong: opening drops them.

Examples:
  kvstrata-store /data/kv
  kvstrata-store --verify /data/kv0 /data/kv1
  kvstrata-store --list --limit 10 /data/kv
  kvstrata-store --compact /data/smaller /data/kv
)";

struct options
{
  std::vector<std::string> paths;
  bool check = false, verify = false, list = false, json = false;
  std::optional<std::uint64_t> limit, bytes;
  std::string compact;
};

void add_options(CLI::App& app, options& o)
{
  app.add_option("FILE", o.paths, "the files or block devices of one store, in any order")
      ->required()
      ->check(&replay::text_fault, "");
  app.add_flag("--check", o.check, "reads the heads of all records, and compares them with the tables");
  app.add_flag("--verify", o.verify, "reads the bodies of all records, too, and checks each layer");
  app.add_flag("--list", o.list, "prints a row of CSV for each record, the oldest first, instead of the summary");
  app.add_option("--limit", o.limit, "with --list: so many records")
      ->check(&replay::number_fault<std::uint64_t>, "")
      ->type_name("N");
  app.add_flag("--json", o.json, "prints one JSON object");
  app.add_option(
         "--compact", o.compact,
         "writes the records, each checked as --verify does, to a new store of one file, which must not be there")
      ->check(&replay::text_fault, "")
      ->type_name("OUT");
  app.add_option("--bytes", o.bytes, "with --compact: of the new file; else as few as hold the records")
      ->check(&replay::number_fault<std::uint64_t>, "")
      ->type_name("N");
}

/// Throws kvstrata::config_error, data_error.
void check(const options& o)
{
  if (o.limit && !o.list) throw kvstrata::config_error("--limit", *o.limit, "it says how many --list lists: add it");
  if (o.bytes && o.compact.empty()) {
    throw kvstrata::config_error("--bytes", *o.bytes, "it is the size of what --compact makes: add it");
  }
  if (o.bytes && *o.bytes == 0) throw kvstrata::config_error("--bytes", *o.bytes, "a store takes at least a region");
  std::vector<tools::named_path> inputs;
  for (const std::string& path : o.paths) inputs.push_back({"FILE", path});
  const std::vector<tools::named_path> outputs{{"--compact", o.compact}};
  tools::require_outputs(outputs, inputs);
  std::error_code ignored;
  if (!o.compact.empty() && std::filesystem::exists(std::filesystem::symlink_status(o.compact, ignored))) {
    throw kvstrata::config_error("--compact", "'" + o.compact + "'", "that is there: name a file that is not");
  }
}

int run(const options& o, std::ostream& out, std::ostream& err)
{
  check(o);
  store_file in = open_store(o.paths);
  findings what{.with_bodies = o.verify || !o.compact.empty(), .compacted_to = o.compact};
  if (o.check || what.with_bodies) what.checked = check_records(in, what.with_bodies);
  if (!o.compact.empty()) what.made = compact(in, o.compact, o.bytes.value_or(0));
  const std::uint64_t limit = o.limit.value_or((std::numeric_limits<std::uint64_t>::max)());
  if (o.json) print_json(out, in, what, o.list, limit);
  else if (o.list) print_list(out, in, limit);
  else print(out, in, what);
  for (const std::string& sentence : in.faults.sentences) err << "fault: " << sentence << ".\n";
  if (in.faults.count > in.faults.sentences.size()) {
    err << "fault: and " << in.faults.count - in.faults.sentences.size() << " more.\n";
  }
  return in.faults.count == 0 ? 0 : 1;
}

}  // namespace

int command(int count, const char* const* arguments, std::ostream& out, std::ostream& err)
{
  options o;
  CLI::App app{std::string(about), "kvstrata-store"};
  app.get_formatter()->column_width(34);
  app.footer(std::string(footer));
  add_options(app, o);
  constexpr std::string_view where = "kvstrata-store --help lists the options.";
  if (const auto code = tools::parse_arguments(app, count, arguments, where, out, err, [] {})) return *code;
  return tools::run_command(err, "a store with so many records", [&] { return run(o, out, err); });
}

}  // namespace store_tool
