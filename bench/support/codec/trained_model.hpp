// Model a of ../shared/data/trained_hstu, with its golden users and others that it was not trained on.
#pragma once

#include "support/codec/page_set.hpp"
#include "support/codec/plain_hstu.hpp"
#include "support/codec/tensor_file.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace codec_bench {

inline constexpr kvstrata::token_count page_tokens = 32;

struct trained_user
{
  std::vector<std::vector<float>> inputs;  ///< [token]
  std::vector<std::int64_t> times;         ///< [token]
  std::vector<std::vector<float>> candidates;
  std::int64_t time = 0;
  std::vector<layer_kv> kv;  ///< exact
  std::vector<token_answer> answers;
  std::vector<token_answer> of_candidates;
};

struct trained_model
{
  hstu::config config;
  hstu::weights weights;
  std::vector<trained_user> users;
  double largest_difference = 0;  ///< of its K and V from the golden ones
};

/// One event of a history, as model a was trained on them (../shared/data/trained_hstu/README.md).
struct event
{
  std::size_t item = 0;
  std::size_t action = 0;
  std::int64_t time = 0;
};

[[nodiscard]] inline std::vector<std::int64_t> numbers_in(const std::string& line)
{
  std::vector<std::int64_t> out;
  for (const char* at = line.c_str(); *at != '\0';) {
    char* end = nullptr;
    const std::int64_t value = std::strtoll(at, &end, 10);
    if (end == at) {
      ++at;
    } else {
      out.push_back(value);
      at = end;
    }
  }
  return out;
}

/// Histories of users whose id modulo 16 is `remainder`, of at least `least` events; the newest 100 events of each. It was trained on all
/// but those of 7.
[[nodiscard]] inline std::vector<std::vector<event>> histories_of(std::int64_t remainder, std::size_t least,
                                                                  std::size_t most)
{
  const auto before = find_data("kuairand-pure-2w/history_upto_0424.tsv");
  const auto log = find_data("kuairand-pure-2w/log_standard_0425_0508.tsv");
  std::map<std::int64_t, std::vector<event>> users;
  if (!before || !log) return {};
  std::string line;
  std::ifstream old(*before);
  for (std::getline(old, line); std::getline(old, line);) {
    const auto n = numbers_in(line);
    if (n.empty() || n[0] % 16 != remainder) continue;
    for (std::size_t i = 3; i < n.size(); ++i) users[n[0]].push_back({static_cast<std::size_t>(n[i]), 0, n[2] / 1000});
  }
  std::ifstream now(*log);
  for (std::getline(now, line); std::getline(now, line);) {
    const auto n = numbers_in(line);
    if (n.size() < 10 || n[0] % 16 != remainder) continue;
    std::size_t action = static_cast<std::size_t>(1 + n[3] + 2 * n[9] + 4 * n[4]);
    if (n[5] + n[6] + n[7] != 0) action = 9;
    if (n[8] != 0) action = 10;
    users[n[0]].push_back({static_cast<std::size_t>(n[2]), action, n[1] / 1000});
  }
  std::vector<std::vector<event>> out;
  for (auto& [user, events] : users) {
    std::stable_sort(events.begin(), events.end(), [](const event& a, const event& b) { return a.time < b.time; });
    if (events.size() > 100) events.erase(events.begin(), events.end() - 100);
    if (events.size() >= least && out.size() < most) out.push_back(std::move(events));
  }
  return out;
}

/// Of users that it was not trained on.
[[nodiscard]] inline std::vector<std::vector<event>> held_out_histories(std::size_t most)
{
  return histories_of(7, 30, most);
}

/// Model a with its three golden users, and more; empty where it is not on this machine. On the heap: plain_hstu points
/// to it.
[[nodiscard]] inline std::unique_ptr<trained_model> read_trained_model(std::size_t more_users)
{
  const auto path = find_data("trained_hstu/model_a.safetensors");
  const auto golden_path = find_data("trained_hstu/golden_a.safetensors");
  if (!path || !golden_path) return nullptr;
  auto m = std::make_unique<trained_model>();
  const tensor_file file(*path);
  const tensor_file golden(*golden_path);
  hstu::config& c = m->config;
  c.layers = 2;
  c.hidden = 64;
  c.heads = 2;
  c.head_dim = 32;
  c.items = 7583;
  c.max_tokens = 256;
  m->weights.items = file.get_bf16("items");
  m->weights.actions = file.get<float>("actions");
  m->weights.positions = file.get<float>("positions");
  for (std::uint32_t l = 0; l < c.layers; ++l) {
    const std::string name = "layers." + std::to_string(l) + '.';
    hstu::layer_weights& layer = m->weights.layers.emplace_back();
    layer.project = file.get<float>(name + "project");
    layer.output = file.get<float>(name + "output");
    layer.position_bias = file.get<float>(name + "position_bias");
    layer.time_bias = file.get<float>(name + "time_bias");
  }
  const plain_hstu model(c, m->weights);
  for (int user = 0; user < 3; ++user) {
    const std::string who = "user" + std::to_string(user) + '.';
    trained_user& u = m->users.emplace_back();
    const auto items = golden.get<std::int64_t>(who + "items");
    const auto actions = golden.get<std::int32_t>(who + "actions");
    const auto times = golden.get<std::int64_t>(who + "times");
    for (std::size_t e = 0; e < items.size(); ++e) {
      u.inputs.push_back(model.input(m->weights.items, static_cast<std::size_t>(items[e]), 2 * e));
      u.inputs.push_back(model.input(m->weights.actions, static_cast<std::size_t>(actions[e]), 2 * e + 1));
      u.times.insert(u.times.end(), 2, times[e]);
    }
    u.time = golden.get<std::int64_t>(who + "time")[0];
    u.kv = history_kv(model, u.inputs, u.times, &u.answers);
    for (const std::int64_t item : golden.get<std::int64_t>(who + "candidates")) {
      u.candidates.push_back(model.input(m->weights.items, static_cast<std::size_t>(item), u.inputs.size()));
      u.of_candidates.push_back(model.answer(u.candidates.back(), u.inputs.size(), u.time, u.times, u.kv));
    }
    const auto keys = golden.get<float>(who + "keys");
    const auto values = golden.get<float>(who + "values");
    std::size_t at = 0;
    for (const layer_kv& kv : u.kv) {
      for (std::size_t i = 0; i < kv.keys.size(); ++i, ++at) {
        m->largest_difference = (std::max)({m->largest_difference, std::fabs(double(kv.keys[i]) - double(keys[at])),
                                            std::fabs(double(kv.values[i]) - double(values[at]))});
      }
    }
  }
  for (const std::vector<event>& events : held_out_histories(more_users)) {
    trained_user& u = m->users.emplace_back();
    for (std::size_t e = 0; e < events.size(); ++e) {
      u.inputs.push_back(model.input(m->weights.items, events[e].item, 2 * e));
      u.inputs.push_back(model.input(m->weights.actions, events[e].action, 2 * e + 1));
      u.times.insert(u.times.end(), 2, events[e].time);
    }
    u.kv = history_kv(model, u.inputs, u.times, &u.answers);
  }
  return m;
}

}  // namespace codec_bench
