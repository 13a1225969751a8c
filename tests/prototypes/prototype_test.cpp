// Prototypes against a naive search in doubles, and their rows against a map.
#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/layout/concepts.hpp>
#include <kvstrata/layout/page_table.hpp>
#include <kvstrata/prototypes/prototype_pool.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

using namespace kvstrata;
using kvstrata_test::sentence_of;

namespace {

using feature = std::vector<float>;
using generator = std::mt19937_64;

feature any_feature(generator& random, std::uint32_t dimensions)
{
  feature out;
  for (std::uint32_t i = 0; i < dimensions; ++i)
    out.push_back(static_cast<float>(static_cast<std::int32_t>(random() % 2001) - 1000) / 500.0F);
  return out;
}

/// Near to one of `to`, more or less.
feature near(generator& random, const std::vector<feature>& to)
{
  feature out = to[random() % to.size()];
  const float by = static_cast<float>(random() % 4) * 0.2F;
  const feature other = any_feature(random, static_cast<std::uint32_t>(out.size()));
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = 1.5F * out[i] + by * other[i];
  return out;
}

double cosine(const feature& a, const feature& b)
{
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += double{a[i]} * double{b[i]};
    aa += double{a[i]} * double{a[i]};
    bb += double{b[i]} * double{b[i]};
  }
  return aa == 0 || bb == 0 ? -2 : ab / std::sqrt(aa * bb);
}

struct naive_nearest
{
  std::optional<std::uint32_t> number;
  double best = -2, second = -2;
};

/// Looks at all of `those` that are in the bucket.
naive_nearest nearest_of(const prototype_index& index, const std::vector<feature>& those, const feature& to)
{
  naive_nearest out;
  for (std::uint32_t n = 0; n < those.size(); ++n) {
    if (index.bucket_of(those[n]) != index.bucket_of(to)) continue;
    const double c = cosine(those[n], to);
    if (c > out.best) {
      out.second = out.best;
      out.best = c;
      out.number = n;
    } else if (c > out.second) {
      out.second = c;
    }
  }
  return out;
}

constexpr geometry shape{3, 2, 4, element_type::f32};
constexpr token_count page_tokens = 4;

/// Pages of one block, all bytes different by seed.
struct some_pages
{
  page_table table;
  std::vector<std::byte> memory;
  page_count count;

  some_pages(token_count tokens, std::uint64_t seed, const geometry& of = shape)
      : count((tokens + page_tokens - 1) / page_tokens)
  {
    table.start(1);
    table.append(0, count);
    table.finish_request(0, tokens, page_tokens);
    memory.resize(count * page_bytes(of, page_tokens));
    generator random(seed);
    for (std::byte& b : memory) b = static_cast<std::byte>(random());
  }
  page_table_view view(const geometry& of = shape)
  {
    return table.view(memory.data(), layer_first(of, page_tokens, count), of, page_tokens);
  }
};

std::string row_of(const page_table_view& v, layer_index layer, token_count token)
{
  const auto* const key = reinterpret_cast<const char*>(v.key(layer, 0, token));
  return std::string(key, v.shape.key_bytes()) + std::string(key + v.value_offset(), v.shape.key_bytes());
}

}  // namespace

TEST_CASE("prototypes: the nearest of a bucket is what a naive search finds", "[prototypes]")
{
  for (const std::uint32_t planes : {0U, 1U, 3U, 6U}) {
    CAPTURE(planes);
    generator random(planes + 1);
    prototype_index index({.dimensions = 9, .most = 150, .planes = planes, .least_cosine = 0.8F, .seed = 5});
    std::vector<feature> those{any_feature(random, 9)};
    REQUIRE(index.add(those[0]) == 0U);
    std::size_t found = 0, refused = 0;
    for (int i = 0; i < 600; ++i) {
      const feature asked = random() % 3 == 0 ? any_feature(random, 9) : near(random, those);
      const naive_nearest naive = nearest_of(index, those, asked);
      if (std::abs(naive.best - 0.8) < 1e-5) continue;  // either answer is right
      const auto mine = index.nearest(asked);
      REQUIRE(mine.has_value() == (naive.best > 0.8));
      if (mine) {
        ++found;
        REQUIRE(std::abs(double{mine->cosine} - naive.best) < 1e-5);
        if (naive.best - naive.second > 1e-5) REQUIRE(mine->number == *naive.number);
      }
      const auto added = index.add(asked);
      REQUIRE(added.has_value() == (!mine && those.size() < 150));
      if (added) {
        REQUIRE(*added == those.size());
        those.push_back(asked);
      }
      refused += !added;
      REQUIRE(index.size() == those.size());
    }
    CHECK(found > 100);
    CHECK(refused >= found);
    CHECK(index.size() == 150);
  }
}

TEST_CASE("prototypes: a bucket is a matter of direction, and planes are the seed's", "[prototypes]")
{
  generator random(3);
  const prototype_index index({.dimensions = 16, .planes = 10, .seed = 1}),
      same({.dimensions = 16, .planes = 10, .seed = 1}), other({.dimensions = 16, .planes = 10, .seed = 2});
  std::map<std::uint32_t, int> buckets;
  int differ = 0;
  for (int i = 0; i < 300; ++i) {
    feature f = any_feature(random, 16);
    const std::uint32_t bucket = index.bucket_of(f);
    ++buckets[bucket];
    CHECK(same.bucket_of(f) == bucket);
    differ += other.bucket_of(f) != bucket;
    for (float& x : f) x *= 2;
    CHECK(index.bucket_of(f) == bucket);
    for (float& x : f) x = -x;
    CHECK(index.bucket_of(f) == (~bucket & 1023U));
  }
  CHECK(buckets.size() > 150);  // of 1,024
  CHECK(differ > 290);
}

TEST_CASE("prototypes: equal ones, zeros, and what is too near to be one", "[prototypes]")
{
  prototype_index index({.dimensions = 2, .most = 3, .planes = 0, .least_cosine = 0.9F});
  const feature right{1, 0}, far_right{5, 0}, up{0, 2}, zeros{0, 0}, left{-1, 0}, down{0, -1};
  CHECK(!index.nearest(right));
  CHECK(index.add(right) == 0U);
  CHECK(!index.add(far_right));  // the same direction
  CHECK(index.nearest(far_right) == near_prototype{0, 1});
  CHECK(!index.nearest(zeros));
  CHECK(!index.add(zeros));
  CHECK(index.add(up) == 1U);
  CHECK(index.add(left) == 2U);
  CHECK(!index.add(down));  // there is no room
  CHECK(index.size() == 3);

  prototype_index any({.dimensions = 2, .most = 3, .planes = 0, .least_cosine = -1});
  CHECK(any.add(right) == 0U);
  CHECK(any.nearest(left) == near_prototype{0, -1});
  const prototype_index copied = any;
  CHECK(copied.nearest(up) == any.nearest(up));
}

TEST_CASE("prototypes: a pool gives back the rows that it learned, and its version is what it learned", "[prototypes]")
{
  generator random(8);
  prototype_pool pool({.dimensions = 6, .most = 40, .planes = 2, .least_cosine = 0.95F}, shape), same = pool,
                                                                                                 other = pool;
  some_pages source(60, 1);
  std::vector<token_count> learned;
  for (token_count t = 0; t < 60; ++t) {
    const feature f = any_feature(random, 6);
    if (pool.learn(f, source.view(), 0, t)) learned.push_back(t);
    static_cast<void>(same.learn(f, source.view(), 0, t));
    static_cast<void>(other.learn(f, source.view(), 0, 59 - t));
    REQUIRE(pool.version() == same.version());
    REQUIRE(pool.version() != other.version());
  }
  REQUIRE(learned.size() == 40);
  CHECK(pool.bytes() == 40 * shape.token_bytes());
  some_pages target(50, 2);
  const std::vector<std::byte> before = target.memory;
  for (std::uint32_t n = 0; n < 40; ++n) {
    for (layer_index l = 0; l < shape.layers; ++l) pool.copy(n, l, target.view(), 0, n + 5);
  }
  some_pages untouched(50, 2);
  for (token_count t = 0; t < 50; ++t) {
    for (layer_index l = 0; l < shape.layers; ++l) {
      const bool filled = t >= 5 && t < 45;
      REQUIRE(row_of(target.view(), l, t) ==
              (filled ? row_of(source.view(), l, learned[t - 5]) : row_of(untouched.view(), l, t)));
    }
  }
  CHECK(before == untouched.memory);
}

TEST_CASE("prototypes: what makes no sense is refused with a sentence, and changes nothing", "[prototypes]")
{
  const auto refused = [](const prototype_config& c) {
    return sentence_of<config_error>([&] { prototype_index index(c); });
  };
  CHECK(refused({}) == "prototype_config.dimensions is 0, but it must be in [1, 1048576]");
  CHECK(refused({.dimensions = 4, .most = 0}) == "prototype_config.most is 0, but it must be in [1, 1073741824]");
  CHECK(refused({.dimensions = 4, .planes = 25}) == "prototype_config.planes is 25, but it must be in [0, 24]");
  CHECK(refused({.dimensions = 4, .least_cosine = 1.5F}) ==
        "prototype_config.least_cosine is 1.500000, but it must be in [-1, 1]");
  CHECK(refused({.dimensions = 4, .least_cosine = NAN}).ends_with("it must be in [-1, 1]"));

  prototype_pool pool({.dimensions = 4}, shape);
  some_pages source(8, 1);
  const std::uint64_t version = pool.version();
  const feature three{1, 2, 3}, four{1, 2, 3, 4};
  CHECK(sentence_of<usage_error>([&] { static_cast<void>(pool.learn(three, source.view(), 0, 0)); }) ==
        "a feature has 3 dimensions, but prototypes have 4");
  geometry larger = shape;
  ++larger.layers;
  some_pages others(8, 1, larger);
  CHECK(sentence_of<geometry_error>([&] {
          static_cast<void>(pool.learn(four, others.view(larger), 0, 0));
        }).starts_with("the pages of a prototype are of 4 layers"));
  CHECK(pool.version() == version);
  CHECK(pool.index().size() == 0);
  CHECK(pool.learn(four, source.view(), 0, 0));
  CHECK(pool.version() != version);
  CHECK(pool.bytes() == shape.token_bytes());

  prototype_pool full({.dimensions = 4, .most = 1}, shape);
  REQUIRE(full.learn(four, source.view(), 0, 0));
  CHECK_FALSE(full.learn(feature{-4, 3, 2, 1}, source.view(), 0, 1));
  CHECK(sentence_of<usage_error>([&] { static_cast<void>(full.learn(three, source.view(), 0, 0)); }) ==
        "a feature has 3 dimensions, but prototypes have 4");
}

TEST_CASE("prototypes: pools that would choose others have other versions, whatever they have learned", "[prototypes]")
{
  const prototype_config c{.dimensions = 2, .most = 4, .planes = 1, .least_cosine = 0.9F, .seed = 3};
  prototype_config nearer = c, flatter = c, turned = c, longer = c;
  nearer.least_cosine = 0.5F;
  flatter.planes = 0;
  turned.seed = 4;
  longer.most = 5;
  geometry larger = shape;
  ++larger.layers;
  const prototype_pool first(c, shape);
  CHECK(prototype_pool(c, shape).version() == first.version());
  CHECK(prototype_pool(longer, shape).version() == first.version());  // more room chooses no other
  for (const prototype_config& other : {nearer, flatter, turned}) {
    CHECK(prototype_pool(other, shape).version() != first.version());
  }
  CHECK(prototype_pool(c, larger).version() != first.version());
}
