// What MTGR on a device must do, whatever the device: a test file of a few lines runs it on its own machine
// (hstu_gpu/model_bed.hpp says what a machine is).
#pragma once

#include "mtgr/gpu/pass.hpp"
#include "mtgr/reference.hpp"
#include "support/catch.hpp"

#include <kvstrata/core/error.hpp>

#include <cstring>
#include <string>

namespace mtgr_gpu_test {

using namespace mtgr_test;
using hstu::gpu::bf16;
using mtgr::part;

// Every step rounds to bf16 (2^-9 relative).
inline constexpr double near_reference = 0.02;

template <class A, class B>
double relative_error(const A& a, const B& b)
{
  if (a.size() != b.size()) return 1e9;
  double apart = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    apart += difference * difference;
    size += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  if (a.empty()) return 0;
  const double error = std::sqrt(apart / size);
  return error == error ? error : 1e9;
}

inline void round_to_bf16(std::vector<float>& values)
{
  for (float& v : values) v = hstu::gpu::to_float(hstu::gpu::to_bf16(v));
}

/// The weights as the device has them.
inline mtgr::weights rounded_weights(const mtgr::config& c)
{
  mtgr::weights w = mtgr::random_weights(c);
  for (mtgr::token_weights& t : w.tokens) {
    round_to_bf16(t.in);
    round_to_bf16(t.out);
  }
  for (mtgr::layer_weights& l : w.layers) {
    round_to_bf16(l.project);
    round_to_bf16(l.output);
  }
  round_to_bf16(w.head_in);
  round_to_bf16(w.head_out);
  return w;
}

inline mtgr::config device_config()
{
  mtgr::config c = small_config();
  c.hidden = 64;
  c.head_dim = 64;
  c.user_features = 8;
  c.item_features = 16;
  c.cross_features = 8;
  return c;
}

inline user device_user(generator& random, const mtgr::config& c, std::uint32_t sequence, std::uint32_t recents,
                        std::uint32_t candidates)
{
  user u(random, c, sequence, recents, candidates);
  for (std::vector<float>* f : {&u.profile, &u.sequence, &u.recent, &u.candidates}) round_to_bf16(*f);
  return u;
}

/// A machine with the model, and pages in its memory, which are read and written by copies.
template <class Machine>
class pass_bed
{
 public:
  using runner = typename Machine::runner;
  using device_type = typename runner::device_type;

  pass_bed(generator& random, const mtgr::config& c, const std::vector<user>& users, kvstrata::token_count page_tokens)
      : stream_(device().create_stream("compute")),
        model(machine.machine(), c, stream_),
        lane(model, stream_),
        layout(random, model.shape(), page_tokens, users),
        memory_(device().allocate_device(layout.bytes().size(), "pages of a test"))
  {
    write();
  }

  /// Logits of one pass; the pages come back to `layout`.
  std::vector<float> run(std::vector<user>& users)
  {
    const std::vector<mtgr::request> batch = requests_of(users);
    std::vector<float> out;
    {
      mtgr::gpu::pass<runner> pass(lane, batch, layout.views_at(memory_.data()));
      pass.embed();
      for (kvstrata::layer_index l = 0; l < model.options().layers; ++l) pass.layer(l);
      pass.head();
      const std::span<const float> logits = pass.logits_sync();
      out.assign(logits.begin(), logits.end());
    }
    device().copy(stream_, kvstrata::copy_direction::from_device, layout.bytes().data(), memory_.data(),
                  layout.bytes().size());
    device().wait_sync(device().record(stream_));
    return out;
  }
  /// Brings what `layout` has to the device.
  void write()
  {
    device().copy(stream_, kvstrata::copy_direction::to_device, memory_.data(), layout.bytes().data(),
                  layout.bytes().size());
    device().wait_sync(device().record(stream_));
  }
  std::vector<float> rows(kvstrata::layer_index l, std::size_t request, part p, kvstrata::token_count tokens)
  {
    std::vector<float> out;
    for (kvstrata::token_count t = 0; t < tokens; ++t) {
      for (const bool value : {false, true}) {
        std::vector<bf16> raw(mtgr::width_of(model.options()));
        std::memcpy(raw.data(), layout.bytes().data() + layout.offset(l, request, p, t, value), 2 * raw.size());
        for (const bf16 v : raw) out.push_back(hstu::gpu::to_float(v));
      }
    }
    return out;
  }
  [[nodiscard]] device_type& device() { return machine.machine().device(); }

  Machine machine;

 private:
  kvstrata::stream_id stream_;

 public:
  mtgr::gpu::model<runner> model;
  mtgr::gpu::lane<runner> lane;
  part_pages layout;

 private:
  typename device_type::memory memory_;
};

/// Logits, and K and V of every layer, near those of double precision with the same weights.
template <class Machine>
void check_reference(generator& random, const mtgr::config& c, const user& u, kvstrata::token_count page_tokens)
{
  INFO("hidden " << c.hidden << ", heads " << c.heads << " x " << c.head_dim << ", U and S " << u.statics << ", R "
                 << u.recents << ", candidates " << u.candidate_times.size() << ", page " << page_tokens);
  const reference_result right = reference(c, rounded_weights(c), u);
  std::vector<user> users{u};
  pass_bed<Machine> bed(random, c, users, page_tokens);
  CHECK(relative_error(bed.run(users), flat(right.logits)) < near_reference);
  for (kvstrata::layer_index l = 0; l < c.layers; ++l) {
    INFO("layer " << l);
    CHECK(relative_error(bed.rows(l, 0, part::statics, u.statics), kv_of(right, l, 0, u.statics)) < near_reference);
    CHECK(relative_error(bed.rows(l, 0, part::recents, u.recents), kv_of(right, l, u.statics, u.statics + u.recents)) <
          near_reference);
  }
}

template <class Machine>
void check_sizes()
{
  generator random(51);
  mtgr::config c = device_config();
  check_reference<Machine>(random, c, device_user(random, c, 59, 20, 30), 16);  // U and S end on a page's edge
  check_reference<Machine>(random, c, device_user(random, c, 70, 13, 9), 32);
  check_reference<Machine>(random, c, device_user(random, c, 0, 0, 3), 8);
  check_reference<Machine>(random, c, device_user(random, c, 1, 30, 0), 64);
  c.user_tokens = 0;
  check_reference<Machine>(random, c, device_user(random, c, 0, 9, 5), 8);
  c = device_config();
  c.layers = 2;
  c.hidden = 328;  // no whole vectors of a warp
  c.heads = 1;
  c.head_dim = 256;
  c.token_hidden = 40;
  check_reference<Machine>(random, c, device_user(random, c, 150, 10, 140), 32);
}

/// What is in the pages serves as what is computed, and no byte changes but of what is computed.
template <class Machine>
void check_cached()
{
  generator random(52);
  const mtgr::config c = device_config();
  std::vector<user> users;
  for (const std::uint32_t recents : {12u, 0u, 25u}) users.push_back(device_user(random, c, 20 + recents, recents, 7));
  pass_bed<Machine> bed(random, c, users, 16);
  const std::vector<float> full = bed.run(users);
  const std::vector<std::byte> whole = bed.layout.bytes();
  for (std::size_t i = 0; i < users.size(); ++i) {
    users[i].static_compute = users[i].recent_compute = {};
    if (users[i].recents == 0) continue;
    users[i].recent_compute = {{3, 5}, {users[i].recents - 2, users[i].recents}};
    for (const kvstrata::token_interval piece : users[i].recent_compute) {
      for (kvstrata::token_count t = piece.begin; t < piece.end; ++t) bed.layout.forget(i, part::recents, t);
    }
  }
  bed.write();
  CHECK(relative_error(bed.run(users), full) < near_reference);
  if (Machine::bitwise) CHECK(bed.layout.bytes() == whole);  // what was forgotten is as it was

  // Candidates alone, and each of them by itself.
  for (user& u : users) u.recent_compute = {};
  CHECK(relative_error(bed.run(users), full) < near_reference);
  std::vector<user> fewer = users;
  for (user& u : fewer) {
    u.candidates.resize(u.candidate_floats());
    u.candidate_times.resize(1);
  }
  const std::vector<float> alone = bed.run(fewer);
  for (std::size_t i = 0; i < users.size(); ++i) {
    for (std::size_t t = 0; t < mtgr::tasks; ++t) {
      const float together = full[14 * i + t];
      if (Machine::bitwise) CHECK(alone[2 * i + t] == together);
      else CHECK(std::abs(alone[2 * i + t] - together) < 0.05);
    }
  }
}

/// What happens later, and other candidates, change no bit of the rest.
template <class Machine>
void check_leaks()
{
  generator random(53);
  const mtgr::config c = device_config();
  std::vector<user> users{device_user(random, c, 50, 20, 16)};
  pass_bed<Machine> bed(random, c, users, 16);
  const std::vector<float> logits = bed.run(users);
  const kvstrata::token_count statics = users[0].statics;
  std::vector<std::vector<float>> before;
  for (kvstrata::layer_index l = 0; l < c.layers; ++l) {
    before.push_back(bed.rows(l, 0, part::statics, statics));
    before.push_back(bed.rows(l, 0, part::recents, 9));
  }
  std::vector<user> others = users;
  for (std::size_t i = 0; i < c.item_features; ++i) others[0].recent[9 * c.item_features + i] *= -1.5f;
  const std::vector<float> later = bed.run(others);
  for (kvstrata::layer_index l = 0; l < c.layers; ++l) {
    CHECK(bed.rows(l, 0, part::statics, statics) == before[2 * l]);
    CHECK(bed.rows(l, 0, part::recents, 9) == before[2 * l + 1]);
  }
  for (std::size_t i = 0; i < 16; ++i) {
    const bool sees = users[0].recent_times[9] < users[0].candidate_times[i];
    CHECK((later[2 * i] == logits[2 * i] && later[2 * i + 1] == logits[2 * i + 1]) == !sees);
  }
  others = users;
  for (std::size_t i = 0; i < users[0].candidate_floats(); ++i) others[0].candidates[i] *= -1.5f;
  const std::vector<float> other = bed.run(others);
  for (std::size_t i = 0; i < 16; ++i) CHECK((other[2 * i] == logits[2 * i]) == (i != 0));
}

template <class Machine>
void check_refusals()
{
  generator random(54);
  const mtgr::config c = device_config();
  std::vector<user> users{device_user(random, c, 20, 6, 3)};
  pass_bed<Machine> bed(random, c, users, 16);
  const std::vector<mtgr::request> batch = requests_of(users);
  const auto refusal = [](auto&& call) -> std::string {
    try {
      call();
    } catch (const kvstrata::error& e) {
      return e.what();
    }
    return "";
  };
  using pass = mtgr::gpu::pass<typename Machine::runner>;
  const mtgr::part_views views = bed.layout.views();
  {
    pass one(bed.lane, batch, views);
    CHECK(refusal([&] { pass(bed.lane, batch, views); }) ==
          "a pass was made while another one has its lane; destroy that first");
    CHECK(refusal([&] { one.layer(0); }) == "layer(0) was called, but embed() comes first");
    CHECK(refusal([&] { one.head(); }) == "head() was called, but embed() comes first");
    CHECK(refusal([&] { static_cast<void>(one.logits_sync()); }) ==
          "head() has not been called, so there are no logits");
  }
  part_pages odd(random, bed.model.shape(), 12, users);
  CHECK(refusal([&] { pass(bed.lane, batch, odd.views()); }) ==
        "page_tokens is 12, but on a GPU it must be a power of two of at least 8");
  const auto config_refusal = [&](auto&& change) {
    mtgr::config bad = c;
    change(bad);
    return refusal([&] { mtgr::gpu::check_gpu(bad); });
  };
  CHECK(config_refusal([](mtgr::config& bad) { bad.head_dim = 32; }) ==
        "mtgr.head_dim is 32, but the attention kernel takes 64, 128 and 256");
  CHECK(config_refusal([](mtgr::config& bad) { bad.item_features = 12; }) ==
        "mtgr.item_features is 12, but on a GPU it must be a multiple of 8, which is what a thread takes at once");
  CHECK(config_refusal([](mtgr::config& bad) { bad.hidden = 8192; }).find("mtgr.hidden is 8192, but on a GPU it may") ==
        0);
}

}  // namespace mtgr_gpu_test
