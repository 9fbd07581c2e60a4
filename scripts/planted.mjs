// Faults that the simulation must find when they are planted: what `npm run sim -- --planted` does
// to a copy of the engine, one at a time. Each is a mistake that somebody could make: a check left
// out, a step of teardown forgotten, an answer too early.
//
// `find` stands once in `file`; a test holds that. Whoever changes such a line plants the fault
// anew in what took its place.

const transport = (name) => `addon/transport/${name}.cc`;
const uring = 'addon/bdev/uring/uring_channel.cc';
const crypto = 'addon/bdev/crypto/crypto_channel.cc';
const qpair = 'addon/nvme/pcie/pcie_qpair.cc';
const nvmeChannel = 'addon/bdev/nvme/nvme_channel.cc';

export const plantedFaults = [
  // ---- What disks were told ----
  {
    name: 'flush_does_not_flush',
    file: uring,
    find: '  ring_.sync_data(io.op, file_.fd);\n}\n\nvoid UringChannel::zero(',
    replace: '  end_blocking(io, BdevStatus::Success);\n}\n\nvoid UringChannel::zero(',
  },
  {
    name: 'durable_write_is_cached',
    file: uring,
    find: 'io.force_unit_access ? env::Durability::Durable : env::Durability::Cached',
    replace: 'env::Durability::Cached',
  },
  {
    name: 'durable_zeroes_are_not_synced',
    file: uring,
    find: 'if (!durable(io) || io.type != BdevIoType::WriteZeroes) {',
    replace: 'if (true) {',
  },
  {
    name: 'short_transfer_taken_for_whole',
    file: uring,
    find: 'if (io.scratch == length) {',
    replace: 'if (io.scratch > 0) {',
  },
  {
    name: 'short_transfer_goes_on_with_wrong_bytes',
    file: uring,
    find: '  left.skip(io.scratch);\n',
    replace: '',
  },
  {
    name: 'zeroes_one_block_more',
    file: uring,
    find: 'io.offset_blocks * file_.block_size, io.count_blocks * file_.block_size);',
    replace: 'io.offset_blocks * file_.block_size, (io.count_blocks + 1) * file_.block_size);',
  },
  {
    name: 'line_of_syncs_is_not_resumed',
    file: uring,
    find: '  bdev_complete(io, status);\n  begin_blocking();',
    replace: '  bdev_complete(io, status);',
  },
  {
    name: 'compare_always_equal',
    file: 'addon/bdev/pieces.cc',
    find: 'return equal ? BdevStatus::Success : BdevStatus::Miscompare;',
    replace: 'return BdevStatus::Success;',
  },
  {
    name: 'zeroes_forget_the_last_part',
    file: 'addon/bdev/malloc/malloc_disk.cc',
    find: '  clear(end_page * page_bytes_, end - end_page * page_bytes_);\n',
    replace: '',
  },
  // ---- Stacks of bdevs ----
  {
    name: 'claim_is_never_released',
    file: 'addon/bdev/bdev_registry.cc',
    find: 'base.desc->entry()->claims.erase(bdev.facts().name);',
    replace: '(void)base;',
  },
  {
    name: 'encrypted_write_waits_for_ever',
    file: crypto,
    find: '  give_back(slot);\n  serve_line();\n',
    replace: '  give_back(slot);\n',
  },
  {
    name: 'encrypted_write_is_cancelled_in_its_line',
    file: crypto,
    find: '  line_.remove(io);\n  bdev_complete(io, BdevStatus::Aborted);',
    replace: '  bdev_complete(io, BdevStatus::Aborted);',
  },
  {
    name: 'encrypted_sectors_have_other_numbers',
    file: crypto,
    find: 'return io.offset_blocks * (block_size_ / XtsCipher::kTweakBytes);',
    replace: 'return io.offset_blocks;',
  },
  {
    name: 'layer_lends_other_blocks',
    file: 'addon/bdev/bdev_layer.cc',
    find: 'return {below.lender, below.first_block + first_block_};',
    replace: 'return below;',
  },
  {
    name: 'operation_comes_up_elsewhere',
    file: 'addon/bdev/core_channel.cc',
    find: '  io.above = frame.above;\n',
    replace: '  io.above = nullptr;\n',
  },
  // ---- What hosts may send ----
  {
    name: 'tag_of_another_connection_accepted',
    file: transport('connection_receive'),
    find: 'if (request == nullptr || request->connection != this ||',
    replace: 'if (request == nullptr ||',
  },
  {
    name: 'tag_accepted_before_its_r2t_is_sent',
    file: transport('connection_receive'),
    find: 'request->state != RequestState::AwaitHostData || !request->r2t_item.submitted) {',
    replace: 'request->state != RequestState::AwaitHostData) {',
  },
  {
    name: 'host_data_length_unchecked',
    file: transport('connection_receive'),
    find: '  if (datal > left) {',
    replace: '  if (false) {',
  },
  {
    name: 'host_data_offset_unchecked',
    file: transport('connection_receive'),
    find: 'if (pdu.datao.get() != request->host_data_bytes) {',
    replace: 'if (false) {',
  },
  {
    name: 'last_pdu_flag_unchecked',
    file: transport('connection_receive'),
    find: '  if (last != (datal == left)) {',
    replace: '  (void)last;\n  if (false) {',
  },
  {
    name: 'data_digest_of_host_data_unchecked',
    file: transport('connection_command'),
    find: '  if (request.digest_failed) {',
    replace: '  if (false) {',
  },
  {
    name: 'data_digest_of_capsule_unchecked',
    file: transport('connection_command'),
    find: '  if (digest == DataDigest::Wrong) {\n    return complete(',
    replace: '  (void)digest;\n  if (false) {\n    return complete(',
  },
  {
    name: 'write_begins_before_its_data',
    file: transport('connection_command'),
    find: '  if (request.host_data_bytes < request.plan.bytes) return;\n',
    replace: '',
  },
  // ---- Bytes on their way ----
  {
    name: 'kept_bytes_are_lost',
    file: transport('connection_receive'),
    find: '    kept_bytes_ = static_cast<uint32_t>(rest.size());',
    replace: '    kept_bytes_ = 0;',
  },
  {
    name: 'receive_buffer_is_not_given_back',
    file: transport('connection_receive'),
    find: '    core_.receive_buffers->recycle(completion.buffer_index);\n',
    replace: '',
  },
  {
    name: 'receive_buffer_is_given_back_early',
    file: transport('connection_receive'),
    find:
      '    pump({core_.receive_buffers->at(completion.buffer_index), bytes});\n' +
      '    core_.receive_buffers->recycle(completion.buffer_index);',
    replace:
      '    core_.receive_buffers->recycle(completion.buffer_index);\n' +
      '    pump({core_.receive_buffers->at(completion.buffer_index), bytes});',
  },
  {
    name: 'short_send_taken_for_whole',
    file: transport('connection_send'),
    find: 'completion.result >= 0 && static_cast<size_t>(completion.result) == batch.bytes;',
    replace: 'completion.result >= 0;',
  },
  {
    name: 'end_of_a_send_forgets_the_rest_of_the_queue',
    file: transport('connection_send'),
    find: '  } else if (!send_queue_.empty()) {\n    core_.senders.push_back(*this);\n  }',
    replace: '  }',
  },
  // ---- The end of connections and commands ----
  {
    name: 'teardown_does_not_wait_for_the_send',
    file: transport('connection'),
    find: 'if (receive_op_.in_flight || batch_ != nullptr || !requests_.empty()) return;',
    replace: 'if (receive_op_.in_flight || !requests_.empty()) return;',
  },
  {
    name: 'teardown_does_not_wait_for_the_receive',
    file: transport('connection'),
    find: 'if (receive_op_.in_flight || batch_ != nullptr || !requests_.empty()) return;',
    replace: 'if (batch_ != nullptr || !requests_.empty()) return;',
  },
  {
    name: 'teardown_forgets_parked_commands',
    file: transport('connection'),
    find: '  drop_parked();\n',
    replace: '',
  },
  {
    name: 'teardown_forgets_the_line_for_receive_buffers',
    file: transport('connection'),
    find: '  if (core_.buffer_line.contains(*this)) core_.buffer_line.remove(*this);\n',
    replace: '',
  },
  {
    name: 'request_is_freed_while_the_ring_has_it',
    file: transport('connection_command'),
    find: '  if (is_held(request)) {',
    replace: '  if (request.executing.owed()) {',
  },
  {
    name: 'sent_in_part_is_dropped',
    file: transport('connection_send'),
    find: '    if (batch_ == nullptr || !item->submitted) continue;',
    replace: '    continue;',
  },
  {
    name: 'abort_says_yes_of_what_succeeds',
    file: transport('connection_send'),
    find:
      'core_.aborts.settle(request, ' +
      '!ended() && ended_with == wire::GenericStatus::kAbortRequested);',
    replace: 'core_.aborts.settle(request, !ended());\n    (void)ended_with;',
  },
  {
    name: 'request_is_not_given_back_to_its_peer',
    file: transport('connection_command'),
    find: '  core_.peers.give(peer, request.charged_to, 1);\n',
    replace: '',
  },
  {
    name: 'a_device_has_all_requests',
    file: transport('connection_parked'),
    find: 'return BdevShares::over(device, 1, ',
    replace: 'return taken > 1000000 && BdevShares::over(device, 1, ',
  },
  {
    name: 'who_waits_for_its_host_has_what_streams_need',
    file: transport('connection_parked'),
    find:
      '  core_.peers.give(*peer_, Resource::Requests, 1);\n' +
      '  core_.bdevs.wake(peer_->bdevs);\n' +
      '  core_.peers.take(*peer_, Resource::HostWaits, 1);\n' +
      '  request.charged_to = Resource::HostWaits;\n',
    replace: '',
  },
  {
    name: 'a_device_is_waited_for_as_long_as_it_hangs',
    file: transport('connection_parked'),
    find: 'stalled_.waits_in && !nvmf::io_hangs(qpair_, sqe)) return;',
    replace: 'stalled_.waits_in) return;',
  },
  {
    name: 'teardown_forgets_the_line_of_a_device',
    file: transport('connection'),
    find: '  core_.bdevs.forget(stalled_);\n',
    replace: '',
  },
  {
    name: 'a_device_keeps_its_requests',
    file: transport('connection_send'),
    find: 'if (request.device_hold != nullptr) [[unlikely]]',
    replace: 'if (request.device_hold != nullptr && (request.sqe.cid.get() & 7) != 0)',
  },
  {
    name: 'buffers_are_not_given_back_to_the_bdev',
    file: transport('connection_command'),
    find: '      core_.bdevs.give(*request.hold, count, request.peer->bdevs);\n',
    replace: '',
  },
  {
    name: 'a_loan_is_kept',
    file: transport('connection_command'),
    find: '      if (charged) core_.peers.give_lent(*request.peer, request.plan.bytes);\n',
    replace: '      (void)charged;\n',
  },
  {
    name: 'a_place_is_kept',
    file: transport('connection'),
    find: '  if (core_.options.admission != nullptr) core_.options.admission->closed(ticket_);\n',
    replace: '',
  },
  // ---- Time ----
  {
    name: 'commands_do_not_keep_alive',
    file: transport('connection_command'),
    find: '  if (controller_ != nullptr) controller_->touch();\n',
    replace: '',
  },
  {
    name: 'a_gap_expires_hosts',
    file: 'addon/reactor/reactor.cc',
    find: '  if (took_ns < kGapNs) return;\n',
    replace: '  if (true) return;\n',
  },
  {
    name: 'data_owed_are_never_late',
    file: transport('connection'),
    find: '  bool late = debt_.late(core_.options.pdu_timeout_ns);',
    replace: '  return false;\n  bool late = debt_.late(core_.options.pdu_timeout_ns);',
  },
  // ---- Between threads ----
  {
    name: 'a_message_wakes_nobody',
    file: 'addon/reactor/reactor.cc',
    find: '  if (!impl_->inbox.try_push(message)) return false;\n  impl_->ring->wake();',
    replace: '  if (!impl_->inbox.try_push(message)) return false;',
  },
  {
    name: 'the_control_thread_is_not_told_again',
    file: transport('control_queue'),
    find: '    if (lines_.empty(1u << kind) && ring_.empty()) return;\n',
    replace: '',
  },
  {
    name: 'a_connect_is_remembered_for_ever',
    file: 'addon/control/engine_controllers.cc',
    find: '  forget_connect(found->second.connect);\n  const Connection',
    replace: '  const Connection',
  },
  {
    name: 'drained_while_commands_are_under_way',
    file: 'addon/nvmf/namespace_table.cc',
    find: '  if (waiting.empty()) {\n    drained();\n    return;\n  }',
    replace: '  waiting.clear();\n  if (waiting.empty()) {\n    drained();\n    return;\n  }',
  },

  // ---- Drives that are driven here ----
  {
    name: 'phase_tag_not_looked_at',
    file: qpair,
    find: '  return (load_acquire(status) & 1) == phase_;',
    replace: '  return (load_acquire(status) & 1) <= phase_;',
  },
  {
    // What a processor may make of a store without its barrier.
    name: 'doorbell_before_its_entry',
    file: qpair,
    find: '  tail_doorbell_.set(tail_);',
    replace: '  tail_doorbell_.set(tail_ + 1 == options_.entries ? 0 : tail_ + 1);',
  },
  {
    name: 'cid_used_again_at_once',
    file: qpair,
    find: '  slot.cid = static_cast<uint16_t>(slot.cid + cid_step_);\n  if',
    replace: '  if',
  },
  {
    name: 'drive_flush_is_not_sent',
    file: nvmeChannel,
    find: '    case BdevIoType::Flush: return wire::IoOpcode::kFlush;',
    replace: '    case BdevIoType::Flush: return wire::IoOpcode::kVerify;',
  },
  {
    name: 'drive_write_is_not_durable',
    file: nvmeChannel,
    find: 'if (io.force_unit_access) cdw12',
    replace: 'if (false) cdw12',
  },
  {
    name: 'line_waits_for_ever_after_a_reset',
    file: nvmeChannel,
    find: '  qpair_ = &qpair;\n  run_line();',
    replace: '  qpair_ = &qpair;',
  },
];
