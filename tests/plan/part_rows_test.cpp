// Requests of parts as rows of one sequence each: against a row made by hand for each part, and what is refused by its sentence.
#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/plan/part_rows.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace {

using namespace kvstrata;
using kvstrata_test::sentence_of;

using ground_list = std::vector<std::tuple<std::uint32_t, std::uint64_t, std::uint64_t>>;  ///< space, id, version

/// What a row should be.
struct wanted_row
{
  part p;
  const request* of = nullptr;
  bool without_parts = false;
  std::size_t same_as = 0;
  ground_list grounds{};  ///< of an append part
};

/// Of a batch that is right: requests, and the parts that they point to.
struct made_batch
{
  std::vector<std::unique_ptr<std::vector<part>>> parts;
  std::vector<request> requests;
};

constexpr std::uint64_t hashes[8] = {11, 12, 13, 14, 15, 16, 17, 18};

[[nodiscard]] made_batch any_batch(std::mt19937& random)
{
  const auto below = [&random](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
  made_batch out;
  std::uint64_t next_history = 100;  // nobody else's
  for (std::uint32_t i = 0, count = 1 + below(5); i < count; ++i) {
    request r{.user = user_id{i + 1}, .epoch = epoch_id{below(3)}, .time_ms = below(9), .exact = below(2) == 0};
    r.if_rewritten = below(2) == 0 ? rewritten_history::refuse : rewritten_history::start_anew;
    auto parts = std::make_unique<std::vector<part>>();
    if (below(4) == 0) {
      r.history_tokens = 1 + below(9);
      r.first_token = below(r.history_tokens);
    } else {
      bool appends = false;
      for (std::uint32_t n = 1 + below(5); n != 0; --n) {
        part p{.tokens = below(9)};
        const std::uint32_t mode = below(4);
        p.mode = static_cast<part_mode>(mode);
        if (p.mode == part_mode::append) {
          p.key = {.space = below(2) * 3, .id = next_history++};
          p.version = below(2);
          p.first_token = below(p.tokens + 1);
          appends = true;
        } else if (p.mode == part_mode::scratch) {
          p.key = {.space = 9, .id = 9};  // means nothing
        } else {
          p.key = {.space = 1U + mode, .id = below(4)};
          const std::uint64_t id = p.key.id;
          p.version = id;  // of a key the same for all
          p.tokens = static_cast<token_count>(id + 2);
          if (p.mode == part_mode::replace && appends) continue;
          const auto same = [&p](const part& other) { return other.key == p.key; };
          if (std::any_of(parts->begin(), parts->end(), same)) continue;
        }
        if (p.mode != part_mode::scratch && below(3) == 0) p.fingerprint = {2, hashes};
        parts->push_back(p);
      }
      r.parts = *parts;
      if (parts->empty()) r.history_tokens = 1;
    }
    out.requests.push_back(r);
    out.parts.push_back(std::move(parts));
  }
  return out;
}

[[nodiscard]] std::vector<wanted_row> by_hand(const made_batch& batch, std::vector<std::uint32_t>& firsts)
{
  std::vector<wanted_row> out;
  firsts.clear();
  for (const request& r : batch.requests) {
    firsts.push_back(static_cast<std::uint32_t>(out.size()));
    ground_list grounds;
    if (r.parts.empty()) {
      wanted_row row{.p = {.key = key_of(r.user), .tokens = r.history_tokens}, .of = &r, .without_parts = true};
      row.same_as = out.size();
      out.push_back(row);
    }
    for (const part& p : r.parts) {
      wanted_row row{.p = p, .of = &r};
      if (is_shared(p.mode)) grounds.emplace_back(p.key.space, p.key.id, p.version);
      if (p.mode == part_mode::append) row.grounds = grounds;
      row.same_as = out.size();
      for (std::size_t i = out.size(); i-- != 0 && p.mode != part_mode::scratch;) {
        if (out[i].p.key == p.key && out[i].p.mode != part_mode::scratch) row.same_as = i;
      }
      out.push_back(row);
    }
  }
  firsts.push_back(static_cast<std::uint32_t>(out.size()));
  return out;
}

[[nodiscard]] request of_parts(std::uint64_t user, std::span<const part> parts)
{
  return {.user = user_id{user}, .parts = parts};
}

}  // namespace

TEST_CASE("part_rows: a row for each part, and what stands on what, as by hand", "[plan]")
{
  std::mt19937 random(29);
  part_rows rows;
  std::map<std::pair<ground_list, std::uint64_t>, std::uint64_t> version_of_ground;
  std::map<std::uint64_t, std::pair<ground_list, std::uint64_t>> ground_of_version;
  std::size_t shared_rows = 0;
  for (int round = 0; round < 2000; ++round) {
    const made_batch batch = any_batch(random);
    std::vector<std::uint32_t> firsts;
    const std::vector<wanted_row> wanted = by_hand(batch, firsts);
    rows.make(batch.requests);
    REQUIRE(std::ranges::equal(rows.first_rows(), firsts));
    REQUIRE(rows.rows().size() == wanted.size());
    bool any = false;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const wanted_row& w = wanted[i];
      const request& row = rows.rows()[i];
      REQUIRE((key_of(row) == w.p.key && mode_of(row) == w.p.mode));
      REQUIRE(window_of(row) == token_interval{w.without_parts ? w.of->first_token : w.p.first_token, w.p.tokens});
      REQUIRE((row.epoch == w.of->epoch && row.time_ms == w.of->time_ms && row.exact == w.of->exact));
      REQUIRE((row.if_rewritten == w.of->if_rewritten && !row.provisional && row.volatile_tail == 0));
      REQUIRE(row.fingerprint.stride == w.p.fingerprint.stride);
      REQUIRE(row.fingerprint.prefix_hashes.data() == w.p.fingerprint.prefix_hashes.data());
      REQUIRE(rows.same_as(i) == w.same_as);
      shared_rows += w.same_as != i ? 1U : 0U;
      ground_list grounds;
      for (const part_ground& g : rows.grounds_of(i)) grounds.emplace_back(g.key.space, g.key.id, g.version);
      REQUIRE(grounds == w.grounds);
      any = any || !w.without_parts;
      if (w.without_parts) {
        REQUIRE((row.user == w.of->user && row.parts.empty()));
      } else if (w.grounds.empty()) {
        REQUIRE(version_of(row) == w.p.version);
      } else {  // one number for what it stands on: equal where that is equal, and nowhere else
        const std::pair ground(w.grounds, w.p.version);
        REQUIRE(version_of(row) != 0);
        REQUIRE(version_of_ground.try_emplace(ground, version_of(row)).first->second == version_of(row));
        REQUIRE(ground_of_version.try_emplace(version_of(row), ground).first->second == ground);
      }
    }
    REQUIRE(any_parts(batch.requests) == any);
  }
  CAPTURE(shared_rows, version_of_ground.size());
  CHECK((shared_rows > 400 && version_of_ground.size() > 100));
}

TEST_CASE("part_rows: what is never right is refused with a sentence, and no row is left", "[plan]")
{
  const part replaced{.key = {1, 5}, .version = 3, .tokens = 8, .mode = part_mode::replace};
  const part read{.key = {2, 6}, .version = 3, .tokens = 8, .mode = part_mode::read};
  const part appended{.key = {0, 7}, .tokens = 9};
  const part scratch{.tokens = 4, .mode = part_mode::scratch};
  part_rows rows;
  const auto said = [&rows](std::vector<request> batch) {
    const std::string out = sentence_of<usage_error>([&] { rows.make(batch); });
    CHECK((rows.rows().empty() && rows.first_rows().empty()));
    return out;
  };
  const std::vector<part> good{replaced, read, appended, scratch, scratch};
  const auto with = [&good](auto change) {
    request r = of_parts(1, good);
    change(r);
    return std::vector{r};
  };
  const std::string only = "; of a request with parts only the parts tell of tokens";
  CHECK(said(with([](request& r) { r.history_tokens = 1; })) ==
        "the request of user 1 has parts and also tokens of its own" + only);
  CHECK(said(with([](request& r) { r.first_token = 1; })) ==
        "the request of user 1 has parts and also tokens of its own" + only);
  CHECK(said(with([](request& r) { r.volatile_tail = 1; })) ==
        "the request of user 1 has parts and also a volatile tail" + only);
  CHECK(said(with([](request& r) { r.fingerprint.stride = 1; })) ==
        "the request of user 1 has parts and also a fingerprint of its own" + only);
  CHECK(said(with([](request& r) {
          r.provisional = true;
        })).starts_with("the request of user 1 has parts and also request.provisional; only a request without parts"));

  const auto one = [&said](std::vector<part> parts) { return said({of_parts(1, parts)}); };
  const auto changed = [](part p, auto change) {
    change(p);
    return p;
  };
  CHECK(
      one({appended, replaced}) ==
      "the request of user 1 has the replace part sequence 5 of space 1 behind an append part; a part stands on those "
      "before it, so what is replaced comes first");
  CHECK(one({changed(read, [](part& p) { p.first_token = 2; })}) ==
        "the request of user 1 has a read part sequence 6 of space 2 that begins at token 2; only append parts have "
        "windows");
  CHECK(one({changed(scratch, [](part& p) { p.fingerprint.stride = 2; })}) ==
        "the request of user 1 has a scratch part with a fingerprint; nothing of it is ever compared");
  CHECK(one({read, read}) == "sequence 6 of space 2 is twice in the request of user 1");

  const auto two = [&said](std::vector<part> a, std::vector<part> b) { return said({of_parts(1, a), of_parts(2, b)}); };
  CHECK(
      two({appended}, {appended}) ==
      "user 7 is twice in one batch, the second time in the request of user 2; an append part is one request's, and a "
      "sequence has one mode");
  CHECK(two({read}, {changed(read, [](part& p) { p.mode = part_mode::replace; })}) ==
        "sequence 6 of space 2 is twice in one batch, the second time in the request of user 2; an append part is one "
        "request's, and a sequence has one mode");
  CHECK(two({read}, {changed(read, [](part& p) { p.version = 4; })}) ==
        "sequence 6 of space 2 is twice in one batch, as version 3 of 8 tokens and as version 4 of 8 tokens");
  CHECK(two({read}, {changed(read, [](part& p) { p.tokens = 7; })}) ==
        "sequence 6 of space 2 is twice in one batch, as version 3 of 8 tokens and as version 3 of 7 tokens");
  constexpr std::uint64_t others[4] = {11, 12, 99, 14};
  const auto hashed = [&](std::span<const std::uint64_t> of, token_count stride) {
    return changed(read, [&](part& p) { p.fingerprint = {stride, of}; });
  };
  CHECK(two({hashed(hashes, 2)}, {hashed(others, 2)}) ==
        "sequence 6 of space 2 is twice in one batch, with two fingerprints, the second in the request of user 2; one "
        "version has one content");
  CHECK(
      said({of_parts(1, good), {.user = user_id{7}, .history_tokens = 2}}).starts_with("user 7 is twice in one batch"));
  CHECK(said({of_parts(1, good), of_parts(1, {&scratch, 1})}).starts_with("user 1 is twice in one batch"));

  // What cannot be compared, or is alike as far as the tokens go, is right; and so is what comes after a refusal.
  const std::vector<part> first{hashed(hashes, 2)}, stride{hashed(others, 3)}, few{hashed(std::span(others, 2), 2)};
  const std::vector<part> none{read};
  for (const auto* second : {&stride, &few, &none}) {
    rows.make(std::vector{of_parts(1, first), of_parts(2, *second)});
    CHECK((rows.rows().size() == 2 && rows.same_as(1) == 0));
  }
  rows.make(std::vector{of_parts(1, good)});
  CHECK(rows.rows().size() == good.size());
  CHECK(rows.same_as(4) == 4);  // scratch is nobody else's
  rows.clear();
  CHECK((rows.rows().empty() && rows.first_rows().empty()));
}
