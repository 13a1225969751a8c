#include "replay/options.hpp"

#include "command_line/limits.hpp"
#include "command_line/named_router.hpp"
#include "command_line/output_paths.hpp"
#include "command_line/parse_arguments.hpp"
#include "replay/command_line.hpp"
#include "replay/format.hpp"
#include "replay/number_fault.hpp"
#include "replay/user_class.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/tiers/redis/topology/address.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <ostream>
#include <span>
#include <string_view>
#include <type_traits>

namespace replay {
namespace {

constexpr std::string_view about =
    "Serves one stream of recommendation requests through an HSTU model with several cache configurations and "
    "compares them: hit split, latency, throughput, bytes moved. Needs no GPU.";

std::string join(const std::vector<std::string>& items)
{
  std::string out;
  for (const std::string& item : items) out += (out.empty() ? "" : ", ") + item;
  return out;
}

std::string plain(double value)
{
  if (value != 0 && std::abs(value) < 1e-4) {
    std::array<char, 32> tiny{};
    std::snprintf(tiny.data(), tiny.size(), "%g", value);
    return tiny.data();
  }
  std::string text = fixed(value, 4);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

/// One visit of all options: the command line and the report's settings are two visitors of the same list.
template <class Options, class Visitor>
void visit_options(Options& o, Visitor&& see)
{
  see("workload", "--trace", o.trace,
      "folder or file of a KuaiRand trace (the excerpt's TSV or the official CSV); without it a synthetic workload "
      "with the shape of KuaiRand-1K is made");
  see("workload", "--stream", o.stream,
      "what is a request: session (a user returns after more than 30 minutes) or interaction (every event; of a "
      "synthetic workload, every minute of a user's log)");
  see("workload", "--history-scale", o.history_scale,
      "stretches (above 1) or shortens the histories; 0 brings their mean to about 600 events, 1,200 tokens");
  see("workload", "--most-history", o.most_history, "tokens at which a history stops to grow; 0: it never does");
  see("workload", "--users", o.users, "users to serve: a seeded sample of the trace's, or the number to make");
  see("workload", "--users-of", o.users_of,
      "of a trace, serve only users whose number leaves this remainder: 7/16 leaves 7 when divided by 16. Those that a "
      "trained model has not seen; takes --weights");
  see("workload", "--requests", o.requests, "requests to serve at most");
  see("workload", "--batch", o.batch, "requests a batch; two of one user become one");
  see("workload", "--window-s", o.window_seconds,
      "seconds of the trace's time that a batch waits for more requests; 0 lets it wait until it is full");
  see("workload", "--candidates", o.candidates, "candidate items scored for each request");
  see("model", "--weights", o.weights,
      "serve a trained model (hstu/model_file.hpp says what such a file holds); its sizes are the file's. With a "
      "trace, a "
      "video's id is its row, histories are users' last events, and what came next is compared with the model's best "
      "ten");
  see("model", "--precision", o.precision,
      "of the model's products, in every case alike: f32, or bf16 where the processor has AMX or AVX-512 BF16. Keys "
      "and "
      "values are f32 in either");
  see("model", "--layers", o.layers, "layers");
  see("model", "--hidden", o.hidden, "hidden size d");
  see("model", "--heads", o.heads, "attention heads");
  see("model", "--head-dim", o.head_dim, "size of a head");
  see("model", "--position-bias", o.position_bias, "add a relative attention bias by position");
  see("model", "--time-bias", o.time_bias, "add a relative attention bias by time bucket");
  see("cache", "--device-mib", o.device_mib,
      "MiB of device memory for keys and values; without it --device-share decides");
  see("cache", "--host-mib", o.host_mib, "MiB of pinned host memory; without it --host-share decides");
  see("cache", "--device-share", o.device_share, "device memory as a share of what a cache without limits would hold");
  see("cache", "--host-share", o.host_share, "host memory as such a share; above 1 all users' tokens fit");
  see("cache", "--page-tokens", o.page_tokens, "tokens a page");
  see("cache", "--chunk-tokens", o.chunk_tokens,
      "tokens a host chunk, a multiple of --page-tokens; without it 1,024 shortened as the histories are");
  see("store", "--nvme", o.nvme,
      "make a store in this file, which must not be there, and run one more case: default_cache over it. The others "
      "show "
      "what the same host memory does without; unless it is given, that is too small for all (0.35 of --host-share)");
  see("store", "--nvme-bytes", o.nvme_bytes, "bytes of that file");
  see("store", "--nvme-region-bytes", o.nvme_region_bytes,
      "bytes that the store fills, evicts and uses again as one, a multiple of 4096; without it 64 MiB, or a sixteenth "
      "of the file");
  see("store", "--restart-at", o.restart_at,
      "serve so many requests over the store in a process that SIGKILL ends then; the figures are those of the "
      "requests "
      "after it, which all cases serve from empty memories, and one from the store that was left");
  see("store", "--cluster", o.cluster,
      "host:port of a server of a Redis or Valkey cluster: run one more case, default_cache over it. Its password is "
      "that "
      "of KVSTRATA_CLUSTER_PASSWORD_FILE, of KVSTRATA_CLUSTER_PASSWORD, or of ./dev cluster up");
  see("store", "--processes", o.processes,
      "serve all requests over the cluster once more in so many processes at a time, once for each router, and for the "
      "last one "
      "with a process killed in the middle, too; the report says where their hits came from");
  see("store", "--routers", o.routers,
      "that hand the requests out to the processes: affinity, soonest, hit, load, round_robin (by turns), user (each "
      "user in one)");
  see("link", "--link-gbps", o.link_gbps,
      "bandwidth of the link between device and host, GB/s each way; 0 leaves it to memcpy");
  see("link", "--link-latency-us", o.link_latency_us,
      "microseconds before a copy starts to move bytes; half as much for each piece of a batch");
  see("run", "--cases", o.cases, "cases and groups of cases to run; they are listed below");
  see("run", "--rounds", o.rounds,
      "turns that the cases take, each serving a part of the requests, so that a machine that is slow for a while is "
      "so to all; 1 runs one case after the other and has one cache in memory at a time");
  see("run", "--json", o.json, "write every figure to this file as JSON");
  see("run", "--report", o.report, "write a page with charts to this HTML file");
  see("run", "--timeline", o.timeline,
      "write one batch of every case, call by call and copy by copy, to this file for ui.perfetto.dev");
  see("run", "--seed", o.seed, "seed of weights, samples and synthetic requests");
  see("run", "--quiet", o.quiet, "print the table only");
}

struct add_to_app
{
  CLI::App& app;
  std::span<const std::string_view> without;

  [[nodiscard]] bool wanted(std::string_view name) const
  {
    return std::find(without.begin(), without.end(), name) == without.end();
  }

  template <class T>
  static void add_checks(CLI::Option& option)
  {
    if constexpr (std::is_arithmetic_v<T>) option.check(&number_fault<T>, "");
    else option.check(&text_fault, "");
  }
  template <class T>
  void operator()(const char* group, const char* name, T& value, const std::string& meaning) const
  {
    if (wanted(name)) add_checks<T>(*app.add_option(name, value, meaning)->group(group)->capture_default_str());
  }
  template <class T>
  void operator()(const char* group, const char* name, std::optional<T>& value, const std::string& meaning) const
  {
    if (wanted(name)) add_checks<T>(*app.add_option(name, value, meaning)->group(group));
  }
  void operator()(const char* group, const char* name, bool& value, const std::string& meaning) const
  {
    if (wanted(name)) app.add_flag(name, value, meaning)->group(group);
  }
  void operator()(const char* group, const char* name, std::vector<std::string>& value,
                  const std::string& meaning) const
  {
    if (!wanted(name)) return;
    app.add_option(name, value, meaning)->group(group)->delimiter(',')->allow_extra_args(false)->default_str("plain");
  }
};

struct to_setting
{
  std::vector<setting>& out;

  static std::string text(const std::string& value) { return value.empty() ? "none" : value; }
  static std::string text(const std::vector<std::string>& value) { return join(value); }
  template <class T>
  static std::string text(const std::optional<T>& value)
  {
    return value ? std::to_string(*value) : "automatic";
  }
  static std::string text(bool value) { return value ? "yes" : "no"; }
  static std::string text(double value) { return plain(value); }
  static std::string text(std::uint64_t value) { return std::to_string(value); }
  static std::string text(std::uint32_t value) { return std::to_string(value); }

  template <class T>
  void operator()(const char* group, const char* name, const T& value, const std::string& meaning) const
  {
    out.push_back({group, name, text(value), meaning});
  }
};

using tools::within;

/// In (0, most], or [0, most] where zero has a meaning.
void within(std::string_view name, double value, double most, bool zero_allowed)
{
  if (std::isfinite(value) && value <= most && (value > 0 || (zero_allowed && value == 0))) return;
  throw kvstrata::config_error(
      name, plain(value),
      std::string("it must be ") + (zero_allowed ? "between 0 and " : "above 0 and at most ") + plain(most));
}

void check_weights(const options& o)
{
  if (!o.users_of.empty() && (o.weights.empty() || is_synthetic(o))) {
    throw kvstrata::config_error("--users-of", "'" + o.users_of + "'", "it takes --weights and --trace");
  }
  if (!o.users_of.empty() && !parse_user_class(o.users_of)) {
    throw kvstrata::config_error("--users-of", "'" + o.users_of + "'",
                                 "it must be a remainder and a larger divisor, as in 7/16");
  }
  if (!o.weights.empty() && !is_synthetic(o) && o.history_scale != 0 && o.history_scale != 1) {
    throw kvstrata::config_error("--history-scale", plain(o.history_scale),
                                 "it must be 1 where a trained model reads a trace");
  }
}

void check_store(const options& o)
{
  const auto needs_file = [&o](std::string_view name, const std::optional<std::uint64_t>& value) {
    if (value && o.nvme.empty())
      throw kvstrata::config_error(name, *value, "there is no store: name its file by --nvme");
  };
  needs_file("--nvme-bytes", o.nvme_bytes);
  needs_file("--nvme-region-bytes", o.nvme_region_bytes);
  needs_file("--restart-at", o.restart_at);
  if (o.processes > 1 && o.cluster.empty()) {
    throw kvstrata::config_error("--processes", o.processes, "they share nothing: name a cluster by --cluster");
  }
  tools::require_names("--routers", o.routers, tools::named_router::names());
  within("--processes", std::uint64_t{o.processes}, std::uint64_t{1}, std::uint64_t{16});
  if (!o.cluster.empty()) static_cast<void>(kvstrata::redis::parse_address("--cluster", o.cluster));
  const bool over_store = std::find(o.cases.begin(), o.cases.end(), store_case().key) != o.cases.end();
  if (over_store && o.nvme.empty()) {
    throw kvstrata::config_error("--cases", "'" + store_case().key + "'", "there is no store: name its file by --nvme");
  }
  if (o.nvme.empty()) return;
  if (!o.nvme_bytes) {
    throw kvstrata::config_error("--nvme", "'" + o.nvme + "'", "it takes --nvme-bytes: how large the file is made");
  }
  constexpr std::uint64_t block = 4096;
  constexpr std::uint64_t least_region = 8 * block;
  constexpr std::uint64_t least_regions = 7;
  within("--nvme-bytes", *o.nvme_bytes, std::uint64_t{1} << 20U, std::uint64_t{1} << 44U);
  if (o.nvme_region_bytes) {
    within("--nvme-region-bytes", *o.nvme_region_bytes, least_region, *o.nvme_bytes / least_regions);
    if (*o.nvme_region_bytes % block != 0) {
      throw kvstrata::config_error("--nvme-region-bytes", *o.nvme_region_bytes, "it must be a multiple of 4096");
    }
  }
  if (o.restart_at) within("--restart-at", *o.restart_at, 1, o.requests - 1);
}

}  // namespace

void check(const options& o)
{
  if (o.stream != "session" && o.stream != "interaction") {
    throw kvstrata::config_error("--stream", "'" + o.stream + "'", "it must be session or interaction");
  }
  within("--history-scale", o.history_scale, 1000, true);
  within("--users", o.users, 1, 10'000'000);
  within("--requests", o.requests, 1, 1'000'000'000);
  within("--batch", std::uint64_t{o.batch}, 1, 4096);
  within("--window-s", o.window_seconds, 1e9, true);
  within("--candidates", std::uint64_t{o.candidates}, 1, 65536);
  if (o.precision != "f32" && o.precision != "bf16") {
    throw kvstrata::config_error("--precision", "'" + o.precision + "'", "it must be f32 or bf16");
  }
  within("--layers", std::uint64_t{o.layers}, 1, 256);
  within("--hidden", std::uint64_t{o.hidden}, 1, 65536);
  within("--heads", std::uint64_t{o.heads}, 1, 1024);
  within("--head-dim", std::uint64_t{o.head_dim}, 1, 4096);
  constexpr std::uint64_t most_mib = std::uint64_t{16} * 1024 * 1024;
  if (o.device_mib) within("--device-mib", *o.device_mib, 1, most_mib);
  if (o.host_mib) within("--host-mib", *o.host_mib, 1, most_mib);
  within("--device-share", o.device_share, 100, false);
  within("--host-share", o.host_share, 100, false);
  within("--page-tokens", std::uint64_t{o.page_tokens}, 1, 65536);
  if (o.chunk_tokens) {
    within("--chunk-tokens", std::uint64_t{*o.chunk_tokens}, 1, 1u << 20);
    if (*o.chunk_tokens % o.page_tokens != 0) {
      throw kvstrata::config_error("--chunk-tokens", *o.chunk_tokens,
                                   "it must be a multiple of --page-tokens (" + std::to_string(o.page_tokens) + ")");
    }
  }
  within("--link-gbps", o.link_gbps, 10000, true);
  if (o.link_gbps > 0 && o.link_gbps < 1e-6) {
    throw kvstrata::config_error("--link-gbps", plain(o.link_gbps), "it must be 0 or at least 0.000001");
  }
  within("--link-latency-us", o.link_latency_us, 1e6, true);
  within("--rounds", std::uint64_t{o.rounds}, 1, 1000);
  within("--verify", o.verify, 1, true);
  check_store(o);
  check_weights(o);
  static_cast<void>(codec_case_keys(o.codec));
  if (o.cases.empty()) throw kvstrata::config_error("--cases", "empty", "at least one case must run");
  for (const std::string& key : o.cases) static_cast<void>(find_entry(key));
}

void add_options(CLI::App& app, options& o, std::span<const std::string_view> without)
{
  visit_options(o, add_to_app{app, without});
  if (std::find(without.begin(), without.end(), "--verify") != without.end()) return;
  app.add_option_function<std::string>(
         "--verify",
         [&o](const std::string& text) {
           if (text.empty()) o.verify = 0.05;
           else if (const std::string fault = number_fault<double>(text); fault.empty()) o.verify = std::stod(text);
           else throw CLI::ValidationError("--verify", fault);
         },
         "recompute this share of the requests without a cache and compare every score; without a number 0.05")
      ->expected(0, 1)
      ->type_name("SHARE")
      ->group("run");
}

std::string_view asked_model(int argc, const char* const* argv)
{
  constexpr std::string_view option = "--model";
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == option && i + 1 < argc) return argv[i + 1];
    if (word.starts_with(option) && word.substr(option.size()).starts_with('=')) return word.substr(option.size() + 1);
  }
  return "hstu";
}

std::optional<int> parse(int argc, const char* const* argv, options& o, std::ostream& out, std::ostream& err)
{
  CLI::App app{std::string(about), "replay"};
  app.get_formatter()->column_width(34);
  app.footer(std::string(tools::output_rule) + "\n\n" + describe_cases() +
             "\nOther models: replay --model mtgr --help (parts, cross features), replay --model decoder --help (beam "
             "search over "
             "semantic IDs).");
  std::string model;
  app.add_option("--model", model, "hstu, mtgr or decoder; each has options and a --help of its own (default: hstu)")
      ->check([](const std::string& name) {
        return name == "hstu" ? std::string() : name + " is no model of the replay; there are hstu, mtgr and decoder";
      })
      ->type_name("NAME")
      ->group("model");
  add_options(app, o);
  add_codec_options(app, o.codec);
  return tools::parse_arguments(app, argc, argv, "Run with --help for all options.", out, err, [&] {
    o.cases = expand_cases(o.cases);
    const bool own_share = app.count("--host-share") + app.count("--host-mib") != 0;
    const auto add_below = [&](const std::string& path, const case_entry& c) {
      if (path.empty()) return;
      o.cases.push_back(c.key);
      if (!own_share) o.host_share = host_share_over_store;
    };
    add_below(o.nvme, store_case());
    add_below(o.cluster, cluster_case());
    for (const std::string& key : codec_case_keys(o.codec)) {
      if (std::find(o.cases.begin(), o.cases.end(), key) == o.cases.end()) o.cases.push_back(key);
    }
    check(o);
  });
}

std::vector<setting> describe(const options& o)
{
  std::vector<setting> out;
  visit_options(o, to_setting{out});
  out.push_back({"run", "--verify", plain(o.verify), "share of the requests compared with recomputation"});
  if (!o.codec.names.empty()) {
    out.push_back({"codec", "--codec", o.codec.names, "in what form the arena keeps pages, a case each"});
    out.push_back({"codec", "--exact-share", plain(o.codec.exact_share),
                   "of the requests, that take nothing that came through a lossy codec"});
  }
  return out;
}

}  // namespace replay
