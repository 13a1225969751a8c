// Contexts put together from blocks: every position lies where a naive model says, nobody writes shared pages, and bad input is
// refused with sentences.
#include "assembly/slab_bed.hpp"

#include "support/allocation_count.hpp"
#include "support/effort.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/assembly/approximate.hpp>
#include <kvstrata/assembly/copy_blocks.hpp>
#include <kvstrata/assembly/paged_context.hpp>
#include <kvstrata/position/none.hpp>
#include <kvstrata/position/position_free.hpp>
#include <kvstrata/position/rotate_on_copy.hpp>

#include <cmath>
#include <cstddef>
#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

placed_block block_of(std::uint64_t id, token_count start, token_count tokens, std::uint64_t version = 1)
{
  return {.key = {.model = epoch_id{4}, .kind = 3, .id = id, .version = version}, .start = start, .tokens = tokens};
}

// A context of some blocks out of a few, gaps between them or none, and the same in a vector a position.
struct context
{
  block_list list;
  std::vector<std::uint32_t> block, token;  // [position]; block of none: its own
  static constexpr std::uint32_t own = 0xffff'ffff;
};

context random_context(std::mt19937_64& random, const std::vector<token_count>& lengths)
{
  const auto below = [&random](std::uint64_t bound) { return static_cast<token_count>(random() % bound); };
  std::vector<placed_block> blocks;
  token_count at = 0;
  const token_count count = below(7);
  for (token_count b = 0; b < count; ++b) {
    at += below(3) == 0 ? below(20) : 0;
    const auto id = below(lengths.size());
    blocks.push_back(block_of(id, at, lengths[id]));
    at += lengths[id];
  }
  at += below(2) * below(30);
  context c;
  c.list.start(epoch_id{4}, at);
  c.block.assign(at, context::own);
  c.token.assign(at, 0);
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    c.list.add(blocks[b]);
    for (token_count t = 0; t < blocks[b].tokens; ++t) {
      c.block[blocks[b].start + t] = static_cast<std::uint32_t>(b);
      c.token[blocks[b].start + t] = t;
    }
  }
  return c;
}

// K of a token of a block, at a position, as rotate_on_copy must have it: turned on from where the block was encoded.
std::vector<float> turned(std::vector<float> row, const rotary& by, turn_by positions)
{
  turn_angles angles;
  angles.set(by, positions);
  auto* const keys = reinterpret_cast<std::byte*>(row.data());
  turn_keys(slab_bed::shape, keys, keys, 1, angles.cosines.data(), angles.sines.data());
  return row;
}

template <position_policy P>
void walk(const P& policy, std::uint64_t seed)
{
  std::mt19937_64 random(seed);
  const auto page_tokens = static_cast<token_count>(1 + random() % 9);
  slab_bed bed(seed, 600, page_tokens);
  std::vector<token_count> lengths;
  std::vector<std::size_t> parts;
  for (int i = 0; i < 5; ++i) {
    lengths.push_back(static_cast<token_count>(1 + random() % 40));
    parts.push_back(bed.add(lengths.back()));
  }
  const std::size_t scratch = bed.add(500);
  std::vector<std::uint64_t> before;
  for (const std::size_t p : parts) before.push_back(bed.checksum(p));
  const rotary by(slab_bed::shape.head_dim);
  turn_angles angles;
  assembler<P> mine(policy);
  for (int round = 0; round < 6; ++round) {
    const context c = random_context(random, lengths);
    const auto of_part = [&](std::uint32_t part) {
      return bed.view(parts[static_cast<std::size_t>(c.list.parts()[part].key.id)]);
    };
    mine.assemble(c.list, of_part, 0, bed.view(scratch));
    const auto rare = 1 + random() % 5;
    for (int selections = 0; selections < 3; ++selections) {
      const auto chosen = positions_of(c.list, [&](token_count) { return random() % rare == 0; });
      const auto computed = and_own(c.list, chosen);
      REQUIRE(mine.own() == computed.size() - chosen.size());
      REQUIRE(mine.scratch_tokens(c.list, static_cast<token_count>(computed.size()), page_tokens) <= 500);
      mine.compute(intervals_of(chosen));
      const assembled_view v = mine.view();
      REQUIRE(v.computed() == computed.size());
      std::vector<token_count> told;
      v.each_computed([&](token_count p) { told.push_back(p); });
      REQUIRE(told == computed);
      for (layer_index l = 0; l < slab_bed::shape.layers; ++l) {
        const std::uint64_t copied = copy_blocks(mine.copies(), l, by, angles);
        std::uint64_t wanted = 0;
        for (const placed_block& b : c.list.blocks())
          wanted += is_copied(policy, b.start) ? b.tokens * slab_bed::shape.token_layer_bytes() : 0;
        REQUIRE(copied == wanted);
        std::size_t row = 0;
        for (token_count p = 0; p < c.list.context(); ++p) {
          const bool is_computed = row < computed.size() && computed[row] == p;
          REQUIRE(v.is_computed(p) == is_computed);
          if (is_computed) {
            REQUIRE(v.rows.row(p) == row);
            REQUIRE(v.key(l, p) == v.overlay.key(l, 0, static_cast<token_count>(row)));
            ++row;
            continue;
          }
          const std::uint32_t b = c.block[p];
          REQUIRE(v.block_at(p) == b);
          const page_table_view shared = of_part(c.list.part_number(b));
          const std::byte* const kept = shared.key(l, 0, c.token[p]);
          const turn_by on = policy.copied(c.list.blocks()[b].start);
          if (on == 0) REQUIRE(v.key(l, p) == kept);  // no copy: the shared page itself
          else REQUIRE(bed.row(v.key(l, p), v.value_offset()) == turned(bed.row(kept, shared.value_offset()), by, on));
        }
        // Stretches are the same, in order, from anywhere to anywhere.
        const auto from = static_cast<token_count>(random() % (c.list.context() + 1));
        const auto to = static_cast<token_count>(from + random() % (c.list.context() - from + 1));
        token_count at = from;
        v.each_stretch(l, from, to, [&](token_count position, token_count count, const std::byte* key, bool of_block) {
          REQUIRE(position == at);
          REQUIRE(count != 0);
          for (token_count i = 0; i < count; ++i) {
            REQUIRE(v.key(l, position + i) == key + i * slab_bed::shape.key_bytes());
            REQUIRE(v.is_computed(position + i) != of_block);
          }
          at += count;
        });
        REQUIRE(at == to);
      }
      // Whatever is written of what is computed, no block has it.
      for (layer_index l = 0; l < slab_bed::shape.layers; ++l) {
        for (const token_count p : computed) {
          std::memset(v.key(l, p), 0x5a, slab_bed::shape.key_bytes());
          std::memset(v.key(l, p) + v.value_offset(), 0x5a, slab_bed::shape.key_bytes());
        }
      }
      for (std::size_t i = 0; i < parts.size(); ++i) REQUIRE(bed.checksum(parts[i]) == before[i]);
    }
  }
}

}  // namespace

TEST_CASE("assembly: each position lies where a naive model says, under every position policy", "[assembly]")
{
  for (std::uint64_t seed = 1; seed <= 3 * effort; ++seed) {
    walk(position::position_free{}, seed);
    walk(position::none{}, seed);
    walk(position::rotate_on_copy{}, seed);
    walk(position::rotate_on_copy{.base = 9}, seed);
  }
}

TEST_CASE("assembly: as one plain page table, with pages copied where they must be and nowhere else", "[assembly]")
{
  for (std::uint64_t seed = 1; seed <= 3 * effort; ++seed) {
    std::mt19937_64 random(seed);
    const auto page_tokens = static_cast<token_count>(1 + random() % 9);
    slab_bed bed(seed, 900, page_tokens);
    std::vector<token_count> lengths;
    std::vector<std::size_t> parts;
    for (int i = 0; i < 5; ++i) {
      lengths.push_back(static_cast<token_count>(1 + random() % 40));
      if (seed % 2 == 0) lengths.back() = (lengths.back() / page_tokens + 1) * page_tokens;  // then pages often line up
      parts.push_back(bed.add(lengths.back()));
    }
    const std::size_t scratch = bed.add(500);
    std::vector<std::uint64_t> before;
    for (const std::size_t p : parts) before.push_back(bed.checksum(p));
    paged_context mine;
    for (int round = 0; round < 12; ++round) {
      const context c = random_context(random, lengths);
      const auto of_part = [&](std::uint32_t part) {
        return bed.view(parts[static_cast<std::size_t>(c.list.parts()[part].key.id)]);
      };
      mine.assemble(c.list, of_part, 0, bed.view(scratch));
      const auto rare = 1 + random() % 30;
      const auto chosen = positions_of(c.list, [&](token_count) { return random() % rare == 0; });
      const auto computed = and_own(c.list, chosen);
      mine.compute(intervals_of(chosen));
      std::vector<token_count> told;
      for (const token_interval i : mine.computed()) {
        for (token_count p = i.begin; p < i.end; ++p) told.push_back(p);
      }
      REQUIRE(told == computed);
      const page_table_view v = mine.view();
      REQUIRE(v.tokens(0) == c.list.context());
      std::vector<bool> copied((c.list.context() + page_tokens - 1) / page_tokens, false);
      for (layer_index l = 0; l < slab_bed::shape.layers; ++l) {
        const std::uint64_t bytes = mine.copy_rows(l);
        std::uint64_t rows = 0;
        for (token_count p = 0; p < c.list.context(); ++p) {
          if (std::binary_search(computed.begin(), computed.end(), p)) continue;
          const page_table_view shared = of_part(c.list.part_number(c.block[p]));
          const std::byte* const kept = shared.key(l, 0, c.token[p]);
          REQUIRE(bed.row(v.key(l, 0, p), v.value_offset()) == bed.row(kept, shared.value_offset()));
          if (v.key(l, 0, p) != kept) {
            ++rows;
            copied[p / page_tokens] = true;
          }
        }
        REQUIRE(bytes == rows * slab_bed::shape.token_layer_bytes());
      }
      // A page that is copied could not have been shared: something of it is computed, or its block does not line up.
      for (token_count p = 0; p < c.list.context(); ++p) {
        if (!copied[p / page_tokens]) continue;
        const token_count first = p / page_tokens * page_tokens;
        const token_count last = (std::min)(c.list.context(), first + page_tokens) - 1;
        const bool touched =
            std::any_of(computed.begin(), computed.end(), [&](token_count q) { return q >= first && q <= last; });
        const bool lines_up = c.block[first] == c.block[last] && c.block[first] != context::own &&
                              c.list.blocks()[c.block[first]].start % page_tokens == 0;
        REQUIRE((touched || !lines_up));
      }
      for (layer_index l = 0; l < slab_bed::shape.layers; ++l) {
        for (const token_count p : computed) std::memset(v.key(l, 0, p), 0x5a, slab_bed::shape.key_bytes());
      }
      for (std::size_t i = 0; i < parts.size(); ++i) REQUIRE(bed.checksum(parts[i]) == before[i]);
    }
  }
}

TEST_CASE("assembly: what one plain page table refuses", "[assembly]")
{
  slab_bed bed(3, 100, 8), elsewhere(4, 100, 8);
  const std::size_t part = bed.add(20), scratch = bed.add(60), small = bed.add(20), foreign = elsewhere.add(20);
  block_list list;
  list.start(epoch_id{4}, 60);
  list.add(block_of(1, 10, 20));
  paged_context mine;
  CHECK(sentence_of<usage_error>([&] { mine.compute({}); }) == "compute: no context was put together yet");
  const auto put = [&](const page_table_view& from, std::size_t into) {
    return sentence_of<usage_error>(
        [&] { mine.assemble(list, [&](std::uint32_t) { return from; }, 0, bed.view(into)); });
  };
  CHECK(put(elsewhere.view(foreign), scratch) ==
        "block 0 (sequence 1 of space 3) lies in another slab than the context's scratch");
  CHECK(put(bed.view(scratch), scratch) ==
        "block 0 (sequence 1 of space 3) has 20 tokens, but its pages are of the tokens [0, 60)");
  REQUIRE(put(bed.view(part), small) == "nothing was thrown");
  CHECK(sentence_of<usage_error>([&] { mine.compute({}); }) ==
        "a context needs more than the 3 pages that its scratch has");
  REQUIRE(put(bed.view(part), scratch) == "nothing was thrown");
  const auto compute = [&](std::vector<token_interval> anew) {
    return sentence_of<usage_error>([&] { mine.compute(anew); });
  };
  CHECK(compute({{12, 13}, {50, 61}}) ==
        "the tokens [50, 61) are to be computed anew, but intervals ascend within [13, 60)");
  CHECK(compute({{8, 12}}) ==
        "of what is to be computed anew not all is in blocks: the tokens [0, 10) are in none, and are computed anyway");
  CHECK(
      compute({{28, 31}}) ==
      "of what is to be computed anew not all is in blocks: the tokens [30, 60) are in none, and are computed anyway");
  CHECK(compute({{10, 30}}) == "nothing was thrown");
}

TEST_CASE("assembly: a block is asked for once, and may stand in a context twice", "[assembly]")
{
  block_list list;
  list.start(epoch_id{4}, 100);
  list.add(block_of(7, 10, 20));
  list.add(block_of(8, 30, 5));
  list.add(block_of(7, 60, 20));
  REQUIRE(list.parts().size() == 2);
  CHECK(list.parts()[0].key == sequence_key{3, 7});
  CHECK(list.parts()[0].mode == part_mode::read);
  CHECK(list.parts()[0].version == 1);
  CHECK(list.parts()[0].tokens == 20);
  CHECK(list.part_number(0) == 0);
  CHECK(list.part_number(1) == 1);
  CHECK(list.part_number(2) == 0);
  CHECK(list.block_tokens() == 45);
  std::vector<token_interval> own;
  list.each_own([&](token_interval i) { own.push_back(i); });
  CHECK(own == std::vector<token_interval>{{0, 10}, {35, 60}, {80, 100}});
  list.start(epoch_id{5}, 20);
  CHECK(list.parts().empty());
  CHECK(list.blocks().empty());
  CHECK(list.model() == epoch_id{5});
}

TEST_CASE("assembly: two requests use one block at two starts at once, and agree with one after the other",
          "[assembly]")
{
  slab_bed bed(3, 400, 8);
  const std::size_t shared = bed.add(50);
  const std::size_t scratches[] = {bed.add(64), bed.add(64)};
  const std::uint64_t before = bed.checksum(shared);
  const rotary by(slab_bed::shape.head_dim);
  const token_count starts[] = {13, 200};
  const auto read = [&](std::size_t who, int rounds) {  // K and V of all positions, after `rounds` of copying
    block_list list;
    list.start(epoch_id{4}, starts[who] + 50);
    list.add(block_of(1, starts[who], 50));
    assembler<position::rotate_on_copy> mine;
    std::vector<float> out;
    turn_angles angles;
    for (int i = 0; i < rounds; ++i) {
      out.clear();
      mine.assemble(list, [&](std::uint32_t) { return bed.view(shared); }, 0, bed.view(scratches[who]));
      // The request's own tokens need rows; here only the copies are looked at.
      for (layer_index l = 0; l < slab_bed::shape.layers; ++l) {
        static_cast<void>(copy_blocks(mine.copies(), l, by, angles));
        const page_table_view v = mine.copies().to;
        for (token_count t = 0; t < 50; ++t) {
          const auto row = bed.row(v.key(l, 0, t), v.value_offset());
          out.insert(out.end(), row.begin(), row.end());
        }
      }
    }
    return out;
  };
  const std::vector<float> alone[] = {read(0, 1), read(1, 1)};
  CHECK(alone[0] != alone[1]);
  std::vector<float> at_once[2];
  std::thread other([&] { at_once[1] = read(1, 50); });
  at_once[0] = read(0, 50);
  other.join();
  CHECK(at_once[0] == alone[0]);
  CHECK(at_once[1] == alone[1]);
  CHECK(bed.checksum(shared) == before);
}

TEST_CASE("assembly: blocks that cannot be where they are said to be are refused, and nothing changes", "[assembly]")
{
  block_list list;
  list.start(epoch_id{4}, 100);
  list.add(block_of(7, 10, 20));
  const auto refused = [&](const placed_block& block) {
    const std::string sentence = sentence_of<usage_error>([&] { list.add(block); });
    REQUIRE(list.blocks().size() == 1);
    REQUIRE(list.parts().size() == 1);
    return sentence;
  };
  CHECK(refused(block_of(8, 29, 5)) ==
        "block 1 (sequence 8 of space 3) begins at token 29, but the one before it ends at token 30; blocks ascend and "
        "do not "
        "overlap");
  CHECK(refused(block_of(8, 96, 5)) ==
        "block 1 (sequence 8 of space 3) has 5 tokens from token 96 on, but the context has 100");
  CHECK(refused(block_of(8, 101, 1)) ==
        "block 1 (sequence 8 of space 3) has 1 tokens from token 101 on, but the context has 100");
  CHECK(refused(block_of(8, 50, 0xffff'fff0U)) ==
        "block 1 (sequence 8 of space 3) has 4294967280 tokens from token 50 on, but the context has 100");
  CHECK(refused(block_of(8, 40, 0)) == "block 1 (sequence 8 of space 3) has no tokens");
  placed_block foreign = block_of(8, 40, 5);
  foreign.key.model = epoch_id{3};
  CHECK(refused(foreign) == "block 1 (sequence 8 of space 3) is of model 3, but the context is of model 4");
  placed_block history = block_of(8, 40, 5);
  history.key.kind = 0;
  CHECK(refused(history) ==
        "block 1 (user 8) is of kind 0, which is users' histories; blocks have a kind of their own");
  CHECK(
      refused(block_of(7, 40, 20, 2)) ==
      "block 1 (sequence 7 of space 3) is twice in a context, as version 1 of 20 tokens and as version 2 of 20 tokens");
  CHECK(
      refused(block_of(7, 40, 21)) ==
      "block 1 (sequence 7 of space 3) is twice in a context, as version 1 of 20 tokens and as version 1 of 21 tokens");
  list.add(block_of(8, 30, 70));
  CHECK(list.blocks().size() == 2);
}

TEST_CASE("assembly: pages and positions that contradict a context are refused", "[assembly]")
{
  slab_bed bed(3, 100, 8), elsewhere(4, 100, 8);
  const std::size_t part = bed.add(20), scratch = bed.add(40), small = bed.add(20);
  const std::size_t foreign = elsewhere.add(20);
  block_list list;
  list.start(epoch_id{4}, 60);
  list.add(block_of(1, 10, 20));
  list.add(block_of(2, 35, 20));
  assembler<position::rotate_on_copy> mine;
  const auto put = [&](std::size_t other, std::size_t into) {
    return sentence_of<usage_error>([&] {
      mine.assemble(list, [&](std::uint32_t p) { return bed.view(p == 0 ? part : other); }, 0, bed.view(into));
    });
  };
  CHECK(sentence_of<usage_error>([&] { mine.compute({}); }) == "compute: no context was put together yet");
  CHECK(sentence_of<usage_error>([&] { static_cast<void>(mine.view()); }) == "view: no context was put together yet");
  const std::size_t large = bed.add(48 + 21);
  CHECK(put(scratch, large) ==
        "block 1 (sequence 2 of space 3) has 20 tokens, but its pages are of the tokens [0, 40)");
  CHECK(put(part, small) == "the copied blocks of a context need 6 pages of scratch, but there are 2");
  CHECK(sentence_of<usage_error>([&] {
          mine.assemble(
              list, [&](std::uint32_t p) { return p == 0 ? bed.view(part) : elsewhere.view(foreign); }, 0,
              bed.view(bed.add(80)));
        }) == "block 1 (sequence 2 of space 3) lies in another slab than the context's scratch");
  CHECK(sentence_of<usage_error>([&] { mine.compute({}); }) == "compute: no context was put together yet");

  REQUIRE(put(part, large) == "nothing was thrown");
  CHECK(mine.room() == 21);
  CHECK(mine.scratch_tokens(list, 21, 8) == 48 + 21);
  CHECK(sentence_of<usage_error>([&] { static_cast<void>(mine.view()); }) ==
        "a context was put together, but nothing was said of what is computed");
  CHECK(mine.own() == 20);
  mine.compute({});
  const auto compute = [&](std::vector<token_interval> intervals) {
    const std::string sentence = sentence_of<usage_error>([&] { mine.compute(intervals); });
    REQUIRE(mine.view().computed() == 20);
    REQUIRE(!mine.view().is_computed(12));
    return sentence;
  };
  CHECK(compute({{12, 13}, {50, 61}}) == "the tokens [50, 61) are to be computed anew, but the context has 60");
  CHECK(compute({{12, 14}, {13, 15}}) ==
        "the tokens [13, 15) are to be computed anew, but those before end at 14; intervals ascend");
  CHECK(compute({{14, 12}}) == "the tokens [14, 12) are to be computed anew, but that is no interval");
  CHECK(compute({{28, 31}}) ==
        "the tokens [28, 31) are to be computed anew, but not all of them are in blocks; what is in none is computed "
        "anyway");
  CHECK(compute({{12, 14}}) == "22 tokens are to be computed, but scratch has room for 21");
  mine.compute(std::vector<token_interval>{{13, 14}});
  CHECK(mine.view().is_computed(13));
  CHECK(mine.view().computed() == 21);
}

TEST_CASE("assembly: nothing is allocated in steady state", "[assembly]")
{
  slab_bed bed(5, 400, 8);
  std::vector<std::size_t> parts;
  for (int i = 0; i < 10; ++i) parts.push_back(bed.add(25));
  const std::size_t scratch = bed.add(500);
  block_list list;
  assembler<position::rotate_on_copy> mine;
  std::vector<token_interval> computed;
  const auto once = [&] {
    list.start(epoch_id{4}, 300);
    for (std::uint32_t b = 0; b < 10; ++b) list.add(block_of(b, 30 * b, 25));
    mine.assemble(list, [&](std::uint32_t p) { return bed.view(parts[p]); }, 0, bed.view(scratch));
    computed.clear();
    for (token_count p = 0; p < 300; p += 30) computed.push_back({p + 22, p + 25});
    mine.compute(computed);
    return mine.view().computed();
  };
  static_cast<void>(once());
  const std::size_t before = allocations();
  CHECK(once() == 80);
  CHECK(allocations() == before);
}

TEST_CASE("assembly: what a report counts is what a look at each token counts", "[assembly]")
{
  std::mt19937_64 random(6);
  bool whole = false, none = false;
  for (int round = 0; round < 500; ++round) {
    std::vector<reused_block> blocks;
    std::vector<token_interval> anew;
    reuse_report wanted;
    token_count at = random() % 2 == 0 ? 0 : static_cast<token_count>(random() % 4);
    wanted.own = at;
    for (std::size_t b = 0, count = random() % 4; b < count; ++b) {
      const bool stands_in = random() % 3 == 0;
      blocks.push_back({.start = at, .tokens = 1 + static_cast<token_count>(random() % 9), .stands_in = stands_in});
      const auto once_in = 1 + random() % 4;
      for (token_count t = 0; t < blocks.back().tokens; ++t, ++at) {
        if (random() % once_in == 0) {
          ++wanted.recomputed;
          if (!anew.empty() && anew.back().end == at) ++anew.back().end;  // over the end of a block, too
          else anew.push_back({at, at + 1});
          continue;
        }
        ++wanted.reused;
        wanted.stood_in += stands_in;
        wanted.reused_exactly += !stands_in && blocks.back().start == 0;
      }
      const token_count own = static_cast<token_count>(random() % 3);
      at += own;
      wanted.own += own;
    }
    REQUIRE(report_of(blocks, anew, at) == wanted);
    whole = whole || (wanted.recomputed > 5 && wanted.reused == 0);
    none = none || (wanted.stood_in > 0 && wanted.reused_exactly > 0);
    if (wanted.exact()) require_exact(wanted);
    else CHECK_THROWS_AS(require_exact(wanted), usage_error);
  }
  CHECK(whole);
  CHECK(none);
}

TEST_CASE("assembly: an approximate answer says so, and is no exact one by mistake", "[assembly]")
{
  STATIC_REQUIRE(!std::is_convertible_v<approximate<float>, float>);
  const approximate<float> some(2.5F, {.reused = 40, .reused_exactly = 10, .recomputed = 5, .own = 7});
  CHECK(some.approximate_value() == 2.5F);
  CHECK(!some.how().exact());
  CHECK(reuse_report{.recomputed = 40, .own = 7}.exact());
  CHECK(reuse_report{.reused = 10, .reused_exactly = 10, .own = 7}.exact());
}
