// Trained layers on the emulated device: within bf16 of double precision; and what is refused.
#include "hstu_gpu/emulated_machine.hpp"
#include "hstu_gpu/trained_checks.hpp"

#include "support/sentence_of.hpp"

using namespace hstu_gpu_test;

TEST_CASE("trained layers on the device are within bf16 of a double-precision reference", "[hstu]")
{
  generator random(301);
  check_trained_layers<emulated_machine>(random);
}

TEST_CASE("heads of layers on the device are within bf16 of a double-precision reference", "[hstu]")
{
  generator random(304);
  check_trained_heads<emulated_machine>(random);
}

TEST_CASE("times of the next token on the device are those of a double-precision reference", "[hstu]")
{
  generator random(305);
  check_next_times<emulated_machine>(random);
}

TEST_CASE("the device refuses weights that are none of its config's", "[hstu]")
{
  generator random(302);
  const hstu::config c = trained_config(1, 64);
  const auto sentence = [](const hstu::config& with, const hstu::weights& w) {
    return kvstrata_test::sentence_of<kvstrata::config_error>([&] { model_bed<emulated_machine> bed(with, w); });
  };
  hstu::weights w = hstu_test::trained_weights(random, c);
  CHECK(sentence(c, w) == "nothing was thrown");
  w.layers[1].output_bias.pop_back();
  CHECK(sentence(c, w).find("the tensor layers.1.output_bias is 63") != std::string::npos);
  hstu::config alone = c;
  alone.inputs = hstu::token_inputs::by_caller;
  alone.event_tokens = 1;
  CHECK(sentence(alone, hstu::random_weights(alone)).find("hstu.event_tokens is 1") != std::string::npos);
}

TEST_CASE("states stay on the device where nobody asked for them", "[hstu]")
{
  generator random(303);
  const hstu::config c = trained_config(1, 64);
  model_bed<emulated_machine> bed(c, hstu::random_weights(c));
  const user u(random, 10, 2);
  const hstu::request batch[] = {u.request()};
  const auto pass = hstu::gpu::recompute(bed.lane, batch, bed.scratch);
  CHECK_THROWS_AS(pass.states_sync(0), kvstrata::usage_error);
  CHECK(pass.last_state_sync(0).empty());
}
