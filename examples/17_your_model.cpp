// Your model: a trained HSTU, out of a file, whose scores come from the cache.
//
//   example_17_your_model [FILE [HISTORY]]
//
// FILE is what tools/convert_weights.py makes of a state dict, or any that hstu/model_file.hpp describes; without one, the
// program writes one of random weights and serves that. Tokens are vectors of the caller's: here a made-up embedding, in
// yours what your tables, MLPs and context features make of an event.
#include "hstu/model_file.hpp"
#include "hstu/recompute.hpp"

#include <kvstrata/cache.hpp>
#include <kvstrata/device/emulated_device.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

using namespace kvstrata;

namespace {

// What enters the first layer for a user's token: embedding, scaling and position are the caller's affair.
std::vector<float> embedding_of(user_id user, token_count token, std::uint32_t hidden)
{
  std::vector<float> out(hidden);
  for (std::uint32_t i = 0; i < hidden; ++i) {
    out[i] = std::sin(static_cast<float>(to_number(user)) + static_cast<float>(token) * 0.7f + static_cast<float>(i));
  }
  return out;
}

// A request of one user, with the vectors that it points to.
struct asked
{
  asked(const hstu::config& c, user_id user, token_count history, std::uint32_t candidates)
      : hidden(c.hidden), who(user), tokens(history)
  {
    for (token_count t = 0; t < history; t += c.event_tokens) times.push_back(1'700'000'000 + 60 * std::int64_t{t});
    for (std::uint32_t i = 0; i < candidates; ++i) append(candidate_inputs, embedding_of({}, 1000 + i, hidden));
    if (history != 0) last_input = embedding_of(user, history - 1, hidden);
  }

  static void append(std::vector<float>& to, const std::vector<float>& row)
  {
    to.insert(to.end(), row.begin(), row.end());
  }

  // For the model, which brings the vectors of the tokens that are to be computed, and of no others.
  hstu::request to_compute(std::span<const token_interval> missing)
  {
    inputs.clear();
    for (const token_interval piece : missing) {
      for (token_count t = piece.begin; t < piece.end; ++t) append(inputs, embedding_of(who, t, hidden));
    }
    hstu::request r;
    r.history = tokens;
    r.times = times;
    r.time = 1'700'000'000 + 60 * std::int64_t{tokens};
    r.compute = missing;
    r.inputs = inputs;
    r.candidate_inputs = candidate_inputs;
    r.last_state = tokens != 0;
    r.last_input = last_input;
    return r;
  }

  std::uint32_t hidden;
  user_id who;
  token_count tokens;
  std::vector<std::int64_t> times;
  std::vector<float> inputs, candidate_inputs, last_input;
};

struct answer
{
  std::vector<float> scores;  // [candidates][tasks]; empty where the model has no head
  std::vector<float> state;   // of the last token: rank items by hstu::dot_scores() with it
  token_count computed = 0;
};

// One request through the cache.
answer serve(const hstu::model& model, default_cache<emulated_device>& cache, stream_id compute, asked& a)
{
  const bool looks_ahead = model.options().looks_from == hstu::query_time::next;
  const request wanted{.user = a.who, .history_tokens = a.tokens, .volatile_tail = looks_ahead ? 1u : 0u};
  auto lease = cache.prepare({&wanted, 1}, compute).value();
  const hstu::request r = a.to_compute(lease.compute(0));
  hstu::batch_forward pass(model, {&r, 1}, lease.view());
  pass.embed();
  for (layer_index l = 0; l < model.options().layers; ++l) {
    lease.wait_sync(l);  // what came from the arena is there
    pass.layer(l);
    lease.layer_done(l);
  }
  pass.head();
  lease.commit();
  answer out;
  out.scores.assign(pass.scores(0).begin(), pass.scores(0).end());
  out.state.assign(pass.last_state(0).begin(), pass.last_state(0).end());
  out.computed = lease.sources(0).computed;
  lease.release();
  return out;
}

// The same without a cache: all tokens are computed.
answer recompute(const hstu::model& model, asked& a, hstu::scratch_pages& memory)
{
  const token_interval all[] = {{0, a.tokens}};
  const hstu::request r = a.to_compute(all);
  hstu::batch_forward pass(model, {&r, 1}, memory.reserve(model.shape(), {&r, 1}));
  pass.embed();
  for (layer_index l = 0; l < model.options().layers; ++l) pass.layer(l);
  pass.head();
  return {
      {pass.scores(0).begin(), pass.scores(0).end()}, {pass.last_state(0).begin(), pass.last_state(0).end()}, a.tokens};
}

double furthest(const std::vector<float>& a, const std::vector<float>& b)
{
  double most = a.size() == b.size() ? 0 : 1e9;
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
    most = std::max(most, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  }
  return most;
}

// A file to serve where nobody brings one.
std::string write_some_model()
{
  hstu::config c;
  c.layers = 2;
  c.hidden = 32;
  c.heads = 2;
  c.head_dim = 16;
  c.normaliser = 256;
  c.inputs = hstu::token_inputs::by_caller;
  c.event_tokens = 1;
  const auto path =
      std::filesystem::temp_directory_path() / ("kvstrata_model_" + std::to_string(std::random_device()()));
  hstu::write_model(path, c, hstu::random_weights(c));
  return path.string();
}

int run(const std::string& file, token_count history)
{
  hstu::trained_model trained = hstu::read_model(file);
  if (trained.options.inputs != hstu::token_inputs::by_caller) {
    std::printf("%s takes items and actions (inputs tables), not vectors: the replay serves it with --weights\n",
                file.c_str());
    return 1;
  }
  const hstu::model model(trained.options, std::move(trained.parameters));
  std::printf("%s: %u layers, hidden %u, %u heads of %u\n", file.c_str(), model.options().layers,
              model.options().hidden, model.options().heads, model.options().head_dim);

  emulated_device device;
  const stream_id compute = device.create_stream("compute");
  const std::size_t page = page_bytes(model.shape(), 16);
  default_cache<emulated_device> cache(
      device, {.shape = model.shape(),
               .tiers = {{.bytes = 2 * (history / 16 + 4) * page}, {.bytes = 64 * (history / 16 + 4) * page}},
               .layout = {.page_tokens = 16, .chunk = 64}});
  hstu::scratch_pages memory;
  double apart = 0;
  token_count computed = 0;
  token_count served = 0;
  for (token_count tokens = history / 2; tokens <= history; tokens += std::max(history / 8, token_count{1})) {
    for (const std::uint64_t user : {1u, 2u, 3u}) {  // more than the device memory holds
      asked a(model.options(), user_id{user}, tokens, 8);
      const answer cached = serve(model, cache, compute, a);
      const answer again = recompute(model, a, memory);
      apart = std::max({apart, furthest(cached.scores, again.scores), furthest(cached.state, again.state)});
      computed += cached.computed;
      served += tokens;
    }
  }
  cache.close();
  std::printf(
      "%u tokens of history were served, %u of them computed; the largest difference from recomputation is %g\n",
      served, computed, apart);
  const bool right = apart < 2e-4 && computed < served / 2;
  if (!right) std::puts("FAILED: the cache's answers are not the model's");
  return right ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv)
{
  try {
    if (argc > 1) return run(argv[1], argc > 2 ? static_cast<token_count>(std::strtoul(argv[2], nullptr, 10)) : 200);
    const std::string file = write_some_model();
    const int result = run(file, 200);
    std::filesystem::remove(file);
    return result;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return 1;
  }
}
