// The requests that every case serves: from a trace or made, sampled, scaled, batched, in the form the model reads.
#pragma once

#include "hstu/model.hpp"
#include "replay/options.hpp"
#include "replay/results.hpp"

#include <kvstrata/core/ids.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace replay {

/// A user's events, an array a property. Two tokens an event: the item and what was done with it.
struct user_history
{
  std::vector<std::uint64_t> items;
  std::vector<std::uint32_t> actions;
  std::vector<std::int64_t> times;  ///< seconds
};

/// One user's part of a batch.
struct served_request
{
  kvstrata::user_id user{};      ///< as the trace numbers them
  bool exact = false;            ///< nothing that came through a lossy codec is an answer
  std::uint32_t history_of = 0;  ///< index into workload::histories
  std::uint64_t number = 0;      ///< of the first request it answers, from 0
  std::uint32_t answers = 1;     ///< requests of the stream that share this answer
  kvstrata::token_count tokens = 0;
  std::int64_t time = 0;  ///< seconds
  std::vector<std::uint64_t> candidates;
  std::optional<std::uint64_t> next_item = std::nullopt;  ///< that came after the history, where its place is asked for
};

struct served_batch
{
  std::vector<served_request> requests;
  std::uint64_t first = 0;  ///< requests [first, last) of the stream
  std::uint64_t last = 0;
};

struct workload
{
  workload_facts facts;
  std::vector<user_history> histories;
  std::vector<served_batch> batches;
  std::uint32_t items = 0;            ///< size of the item vocabulary
  kvstrata::token_count longest = 0;  ///< tokens
  double history_scale = 1;           ///< as used
};

/// Reads or makes what the options ask for. Throws kvstrata::data_error for a bad trace.
/// With a trained `model`, items are rows of it.
[[nodiscard]] workload make_workload(const options& o, const hstu::config* model = nullptr);

/// The same kind of workload with up to 16 times as many users and requests, for simulations in which no model runs:
/// its histories and candidates are empty. `scale` is the history scale to use.
[[nodiscard]] workload make_larger_workload(const options& o, double scale, const hstu::config* model = nullptr);

/// What the model is asked. It points into the workload; `compute` is left to the caller.
[[nodiscard]] inline hstu::request model_request(const workload& w, const served_request& r)
{
  const user_history& h = w.histories[r.history_of];
  hstu::request out;
  out.items = h.items;
  out.actions = h.actions;
  out.times = h.times;
  out.history = r.tokens;
  out.candidates = r.candidates;
  out.time = r.time;
  out.last_state = r.next_item.has_value();
  return out;
}

/// Pages that the largest batch needs.
[[nodiscard]] kvstrata::page_count largest_batch_pages(const workload& w, kvstrata::token_count page_tokens);

}  // namespace replay
