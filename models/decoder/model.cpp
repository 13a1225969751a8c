#include "decoder/model.hpp"

namespace decoder {
namespace {

const config& checked(const config& c)
{
  check(c);
  return c;
}

}  // namespace

model::model(const config& c, std::size_t threads)
    : config_(checked(c)), weights_(random_weights(config_)), crew_(std::make_unique<hstu::crew>(threads))
{
}

}  // namespace decoder
