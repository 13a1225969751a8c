// KuaiRand as a trained model reads it: a video's id is its row, actions are coded as the training coded them, and a user's
// history is their last events.
#pragma once

#include "hstu/config.hpp"
#include "replay/options.hpp"

#include <kvstrata/simulate/trace.hpp>

#include <cstdint>

namespace replay {

/// What the training made of an event's feedback: 0 unknown; 1 + click + 2 long view + 4 like; 9 follow, comment or forward;
/// 10 hate.
[[nodiscard]] std::uint32_t trained_action(std::uint32_t done) noexcept;

/// Reads the trace of the options. Of each user of --users-of the last `events` events before the last are kept, and that;
/// earlier history is what the excerpt names, all of it at its last time and with unknown feedback. Throws
/// kvstrata::data_error, also for a video that has no row.
[[nodiscard]] kvstrata::trace read_trained_trace(const options& o, const hstu::config& model,
                                                 kvstrata::token_count events);

}  // namespace replay
